/**
 * Sessions in a web log: `millrace run examples/web-sessions.ts -- --input LOG --output DIR [--gap-minutes 30]`
 *
 * Each line of the log is `2024-05-01T10:00:00Z alice GET /index.html`, roughly in order of time. A session is what a user
 * does without a pause of the gap. Lines of the output: `{"user","from","to","pages"}`; clicks that come too late for their
 * session go to standard error.
 */
import { fileLines, fileSink, job, minutes, outputTag, run, seconds, session, WatermarkStrategy } from 'millrace'

interface Click {
  user: string
  timeMs: number
  page: string
}

interface Session {
  user: string
  from: string
  to: string
  pages: number
}

const late = outputTag<Click>('late')

function parse(line: string): Click[] {
  const [time, user, , page] = line.split(' ')
  if (time === undefined || user === undefined || page === undefined) return []
  return [{ user, timeMs: Date.parse(time), page }]
}

export default job('web-sessions', (env) => {
  const { parameters } = env
  const byTime = WatermarkStrategy.forBoundedOutOfOrderness<Click>(seconds(10)).withTimestampAssigner(
    (click) => click.timeMs,
  )
  const sessions = env
    .source(fileLines(parameters.required('input')))
    .flatMap(parse)
    .assignTimestampsAndWatermarks(byTime)
    .keyBy('user')
    .window(session.eventTime(minutes(parameters.getNumber('gap-minutes', 30))))
    .sideOutputLateData(late)
    .process<Session>((user, _context, clicks, out) => {
      const times = [...clicks].map((click) => click.timeMs)
      const from = new Date(Math.min(...times)).toISOString()
      const to = new Date(Math.max(...times)).toISOString()
      out.collect({ user, from, to, pages: times.length })
    })
  sessions.sinkTo(fileSink(parameters.required('output'), { format: 'ndjson' }))
  sessions.getSideOutput(late).printToErr('late')
})

if (import.meta.main) await run(import.meta)
