/**
 * Counts the words that arrive on a socket, for as long as it stays open. Start a server first, for example
 * `nc -lk 9999`, then `millrace run examples/socket-word-count.ts -- --hostname localhost --port 9999` and type.
 *
 * Each word prints its new count as it comes: `word 3`.
 */
import { job, run, socketText } from 'millrace'

export default job('socket-word-count', (env) => {
  const { parameters } = env
  const port = Number(parameters.required('port'))
  env
    .source(socketText({ host: parameters.get('hostname', 'localhost'), port }))
    .flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
    .map((word) => ({ word, count: 1 }))
    .keyBy('word')
    .sum('count')
    .map(({ word, count }) => `${word} ${count}`)
    .print()
})

if (import.meta.main) await run(import.meta)
