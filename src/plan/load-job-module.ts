/** Imports a job module and takes its default export. Cold; coordinator and slots. */
import { MillraceError, asMillraceError } from '../common/errors.ts'
import { type JobDefinition, isJobDefinition } from './job-definition.ts'

/** MR_JOB_MODULE_FAILED where the module throws, MR_JOB_NO_DEFAULT_EXPORT where it exports no job. */
export async function loadJobModule(moduleUrl: string): Promise<JobDefinition> {
  let module: { readonly default?: unknown }
  try {
    module = (await import(moduleUrl)) as { readonly default?: unknown }
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND') {
      throw new MillraceError(
        'MR_JOB_MODULE_FAILED',
        `the job module or one of its imports was not found: ${(error as Error).message}`,
        { cause: error },
      )
    }
    throw asMillraceError(error, 'MR_JOB_MODULE_FAILED', { file: moduleUrl })
  }
  if (!isJobDefinition(module.default)) {
    const found =
      module.default === undefined ? 'no default export' : `a default export of type ${typeof module.default}`
    throw new MillraceError(
      'MR_JOB_NO_DEFAULT_EXPORT',
      `expected a default export made by job() in ${moduleUrl}, found ${found}`,
    )
  }
  return module.default
}
