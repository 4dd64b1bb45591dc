/**
 * The word count that one would write without an engine: readline and a Map, in one thread.
 * Run by bench/peers/word-count.ts: node bench/peers/word-count-readline.ts INPUT OUTPUT
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'

const [input, output] = process.argv.slice(2)
const counts = new Map<string, number>()
for await (const line of createInterface({ input: createReadStream(input!), crlfDelay: Infinity })) {
  for (const word of line.toLowerCase().match(/\p{L}+/gu) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1)
}
const file = createWriteStream(output!)
for (const [word, count] of counts) file.write(`${word}\t${count}\n`)
file.end()
