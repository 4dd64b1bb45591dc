/** `millrace explain`: a job's plan as text, as Flink's plan JSON or as Mermaid. */
import { MillraceError } from '../common/errors.ts'
import { explainJson } from '../plan/explain-json.ts'
import { explainMermaid } from '../plan/explain-mermaid.ts'
import { explainText } from '../plan/explain-text.ts'
import type { JobDefinition, JobSettings } from '../plan/job-definition.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { translate } from '../plan/translate.ts'

const formats: Readonly<Record<string, (job: JobGraph) => string>> = {
  text: explainText,
  json: (job) => `${JSON.stringify(explainJson(job), undefined, 2)}\n`,
  mermaid: explainMermaid,
}

/** MR_CLI_USAGE for an unknown format; errors of the plan. */
export function explainJob(definition: JobDefinition, settings: JobSettings, format: string): string {
  const print = Object.hasOwn(formats, format) ? formats[format] : undefined
  if (print === undefined) {
    throw new MillraceError('MR_CLI_USAGE', `--format must be text, json or mermaid, got '${format}'`)
  }
  return print(translate(definition.build(settings)))
}
