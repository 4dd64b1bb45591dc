/**
 * Counts words: `millrace run examples/word-count.ts -- --input PATH|GLOB|DIR --output DIR`
 *
 * Words are runs of letters, in lower case. The output directory holds part files with lines `word<TAB>count`. The input
 * is bounded, so that the job runs as a batch: each word appears once, with its final count.
 */
import { fileLines, fileSink, job, run } from 'millrace'

export default job('word-count', (env) => {
  env
    .setRuntimeMode('automatic')
    .source(fileLines(env.parameters.required('input')))
    .flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
    .map((word) => ({ word, count: 1 }))
    .keyBy('word')
    .sum('count')
    .map(({ word, count }) => `${word}\t${count}`)
    .sinkTo(fileSink(env.parameters.required('output')))
})

if (import.meta.main) await run(import.meta)
