/**
 * The only worker entry: a slot in a piscina thread. Imports the job's module, builds the same graph as the
 * coordinator, refuses a difference, and runs its tasks. Thread: a slot's.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { keepCompiledCode } from '../common/compiled-code.ts'
import { systemDoors } from '../common/doors.ts'
import { toPlain } from '../common/errors.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { loadJobModule } from '../plan/load-job-module.ts'
import { checkSamePlan } from '../plan/plan-description.ts'
import { translate } from '../plan/translate.ts'
import { cloneableReport, type SlotCommand, type SlotDeployment } from './deployment.ts'
import { runSlot } from './slot-runtime.ts'

export interface SlotAssignment {
  readonly moduleUrl: string
  readonly deployment: SlotDeployment
  readonly port: MessagePort
}

/** Never rejects: a failure is reported on the port, since errors lose their code on piscina's way. */
export default async function slotWorker({ moduleUrl, deployment, port }: SlotAssignment): Promise<void> {
  const slot = deployment.slots[0]!
  port.postMessage({ type: 'hello', slot })
  try {
    keepCompiledCode()
    const definition = await loadJobModule(moduleUrl)
    const build = (): JobGraph => translate(definition.build(deployment.settings))
    const job = build()
    checkSamePlan(deployment.plan, job, `slot ${slot}`)
    await runSlot(
      deployment,
      job,
      {
        post: (report) => port.postMessage(cloneableReport(report)),
        receive: () => receiveMessageOnPort(port)?.message as SlotCommand | undefined,
      },
      { doors: systemDoors, mayBlock: true, rebuild: build },
    )
    port.postMessage({ type: 'ended', slot })
  } catch (error) {
    port.postMessage({ type: 'failed', slot, error: toPlain(error) })
  } finally {
    port.close()
  }
}
