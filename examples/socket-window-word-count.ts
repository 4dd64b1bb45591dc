/**
 * Counts the words of a socket in windows of five seconds. Start a server first, for example `nc -lk 9999`, then
 * `millrace run examples/socket-window-word-count.ts -- --hostname localhost --port 9999` and type.
 *
 * At the end of each window every word that came in it is printed with its count. `--seconds` sets another size.
 */
import { job, run, seconds, socketText, tumbling } from 'millrace'

export default job('socket-window-word-count', (env) => {
  const { parameters } = env
  const host = parameters.get('hostname', 'localhost')
  const port = Number(parameters.required('port'))
  env
    .source(socketText({ host, port }))
    .flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
    .map((word) => ({ word, count: 1 }))
    .keyBy('word')
    .window(tumbling.processingTime(seconds(parameters.getNumber('seconds', 5))))
    .sum('count')
    .map(({ word, count }) => `${word} : ${count}`)
    .print()
})

if (import.meta.main) await run(import.meta)
