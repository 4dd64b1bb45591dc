/** The job module of the auction workload: `--query NAME --events N --seed S --per-ms R --disorder D`. */
import { type JobDefinition, MillraceError, job } from '../../src/index.ts'
import { queries } from './queries/index.ts'
import { workload } from './workload.ts'

const auctions: JobDefinition = job('auctions', (env) => {
  const name = env.parameters.required('query')
  const query = queries[name]
  if (query === undefined) {
    throw new MillraceError(
      'MR_PLAN_INVALID',
      `there is no query '${name}'; there are ${Object.keys(queries).join(', ')}`,
    )
  }
  query(
    env,
    workload({
      events: env.parameters.getInt('events', 1_000_000),
      seed: env.parameters.getInt('seed', 42),
      perMs: env.parameters.getInt('per-ms', 100),
      disorder: env.parameters.getInt('disorder', 0),
    }),
  )
})

export default auctions
