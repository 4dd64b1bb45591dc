/**
 * The only worker entry: a slot in a piscina thread. Imports the job's module, builds the same graph as the
 * coordinator, refuses a difference, and runs its tasks. Thread: a slot's.
 */
import { type MessagePort, receiveMessageOnPort, threadId } from 'node:worker_threads'
import { answeringFileSystem } from '../common/answering-file-system.ts'
import { keepCompiledCode } from '../common/compiled-code.ts'
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import { systemDoors } from '../common/doors.ts'
import { codeOf, toPlain } from '../common/errors.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { loadJobModule } from '../plan/load-job-module.ts'
import { checkSamePlan } from '../plan/plan-description.ts'
import { translate } from '../plan/translate.ts'
import { cloneableReport, type SlotCommand, type SlotDeployment } from './deployment.ts'
import { HeapWatch } from './heap-watch.ts'
import { runSlot } from './slot-runtime.ts'

export interface SlotAssignment {
  readonly moduleUrl: string
  readonly deployment: SlotDeployment
  readonly port: MessagePort
  readonly heapLimitBytes: number
}

/**
 * Never rejects: a failure is reported on the port, since errors lose their code on piscina's way. Does not end where the
 * heap is full: the pool ends the thread, and what its modules hold with it.
 */
export default async function slotWorker(assignment: SlotAssignment): Promise<void> {
  const { moduleUrl, deployment, port, heapLimitBytes } = assignment
  const slot = deployment.slots[0]!
  port.postMessage({ type: 'hello', slot, threadId })
  try {
    keepCompiledCode()
    const definition = await loadJobModule(moduleUrl)
    const watch = new HeapWatch({ slot, limitBytes: heapLimitBytes, clock: systemDoors.clock })
    const build = (): JobGraph => translate(definition.build(deployment.settings))
    const job = build()
    checkSamePlan(deployment.plan, job, `slot ${slot}`)
    const { timers, fileSystem } = systemDoors
    const timeoutMs = Configuration.of(job.configuration).get(configOptions.fileSystemTimeout)
    const doors = { ...systemDoors, fileSystem: answeringFileSystem(fileSystem, { timers, timeoutMs }) }
    await runSlot(
      deployment,
      job,
      {
        post: (report) => port.postMessage(cloneableReport(report)),
        receive: () => receiveMessageOnPort(port)?.message as SlotCommand | undefined,
      },
      { doors, mayBlock: true, rebuild: build, checkHeap: () => watch.check() },
    )
    port.postMessage({ type: 'ended', slot })
  } catch (error) {
    port.postMessage({ type: 'failed', slot, error: toPlain(error) })
    if (codeOf(error) === 'MR_WORKER_OUT_OF_MEMORY') await new Promise(() => {})
  } finally {
    port.close()
  }
}
