/**
 * Calls of the system that do not return: a mount that does not answer, a pipe that nobody opens. A process that is in one
 * does not end by itself, nor by `process.exit`, since Node waits for its threads. So whoever gives such a call up notes
 * it here, and the command line ends its process in the one way that is left. Per thread.
 */
const hung: string[] = []

/** A thread, or a call, that has been given up while it goes on. */
export function noteHungCall(what: string): void {
  hung.push(what)
}

/** Whether the process can end only by force. */
export function hasHungCalls(): boolean {
  return hung.length > 0
}

/** Ends the process once its output is written: with the exit code, or where calls hang by SIGKILL (137 to a shell). */
export function endProcess(exitCode: number): void {
  const end = (): void => {
    if (hung.length > 0) {
      process.stderr.write(`these calls go on, so that the process is killed: ${hung.join(', ')}\n`)
      process.kill(process.pid, 'SIGKILL')
    }
    process.exit(exitCode)
  }
  process.stdout.write('', () => process.stderr.write('', end))
}
