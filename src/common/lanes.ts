/** Asynchronous work on many things, some of them at a time: what is under way takes memory, threads and handles. */

/** Calls `act` for each item, at most `lanes` at a time, in their order. After a failure no more are begun. */
export async function eachInLanes<T>(
  items: Iterable<T>,
  lanes: number,
  act: (item: T) => Promise<unknown>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let hasFailed = false
  const run = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done && !hasFailed; next = iterator.next()) {
      await act(next.value).catch((error: unknown) => {
        hasFailed = true
        throw error
      })
    }
  }
  const running = await Promise.allSettled(Array.from({ length: lanes }, run))
  for (const result of running) if (result.status === 'rejected') throw result.reason
}
