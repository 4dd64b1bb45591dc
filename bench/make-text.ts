/**
 * Text for benches: lines of about 80 characters, words by Zipf's law out of 50,000, one in twenty of them not ASCII.
 * The same bytes for the same size and seed; kept in the temporary directory, since 512 MB take a few seconds.
 */
import { closeSync, existsSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prng as newPrng, type Prng } from '../src/common/prng.ts'

const vocabularySize = 50_000
/** Distinct blocks; the file repeats them in random order, so that making it is quick. */
const blockCount = 64
const blockBytes = 256 << 10
const lineBytes = 80

/** Path of a file of exactly `bytes` bytes. */
export function makeText(bytes: number, seed = 1): string {
  const path = join(tmpdir(), `millrace-text-${bytes}-${seed}.txt`)
  if (existsSync(path) && statSync(path).size === bytes) return path
  const prng = newPrng(seed)
  const blocks = makeBlocks(prng)
  const partial = `${path}.${process.pid}`
  const file = openSync(partial, 'w')
  for (let written = 0; written < bytes;) {
    const block = blocks[Math.floor(prng.nextFloat() * blockCount)]!
    const part = block.subarray(0, Math.min(block.length, bytes - written))
    // The end must not cut a character in two.
    if (part.length < block.length) part.fill(32, part.length - 4).fill(10, part.length - 1)
    written += writeSync(file, part)
  }
  closeSync(file)
  renameSync(partial, path)
  return path
}

function makeBlocks(prng: Prng): Buffer[] {
  const words = Array.from({ length: vocabularySize }, (_, index) => makeWord(prng, index))
  const blocks: Buffer[] = []
  for (let count = 0; count < blockCount; count++) {
    const lines: string[] = []
    for (let bytes = 0; bytes < blockBytes; bytes += lineBytes) {
      let line = ''
      while (line.length < lineBytes) line += `${words[zipf(prng)]!}${prng.nextFloat() < 0.1 ? ', ' : ' '}`
      lines.push(line)
    }
    blocks.push(Buffer.from(`${lines.join('\n')}\n`))
  }
  return blocks
}

/** Rank by Zipf's law with exponent 1: its cumulative share is about log(rank) / log(size). */
function zipf(prng: Prng): number {
  return Math.floor(vocabularySize ** prng.nextFloat()) - 1
}

function makeWord(prng: Prng, index: number): string {
  const letters = index % 20 === 19 ? 'äöüßéèçñåøλπжя' : 'etaoinshrdlucmfwypvbgkqjxz'
  let word = index % 7 === 0 ? 'E' : ''
  for (let length = 2 + Math.floor(prng.nextFloat() * 9); length > 0; length--) {
    word += letters[Math.floor(prng.nextFloat() ** 2 * letters.length)]!
  }
  return word
}
