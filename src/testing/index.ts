/** `millrace/testing`: what users test their functions and jobs with. */
export {
  broadcastProcessHarness,
  coProcessHarness,
  type FunctionHarnessOptions,
  keyedBroadcastProcessHarness,
  keyedCoProcessHarness,
  keyedProcessHarness,
  processHarness,
} from './function-harnesses.ts'
export { type HarnessOptions, type HarnessSnapshot, OperatorHarness } from './operator-harness.ts'
export type { OutputEvent, OutputRecord } from './harness-output.ts'
export { VirtualClock } from './virtual-clock.ts'
export { ForgetfulDisk, type ForgetfulDiskOptions, PowerCut } from './forgetful-disk.ts'
export { armFailPoint, type FailPointName, failPoints } from '../common/fail-points.ts'
export type { FileHandle, FileSystem } from '../common/file-system.ts'
export { simulate, virtualSleep, type SimulationOptions, type SimulationResult } from './simulation/simulate.ts'
export type { SimulatedFaults } from './simulation/faults.ts'
export { forEachSeed, type SeedRange } from './simulation/for-each-seed.ts'
