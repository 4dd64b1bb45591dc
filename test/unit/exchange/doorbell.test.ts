import { expect, it } from 'vitest'
import { layOutExchange, openExchange, ringDoorbell } from '../../../src/exchange/exchange.ts'

const longMs = 20_000

function open(isLocal = false) {
  const description = layOutExchange({ channels: [], slotCount: 2, isLocal })
  return { description, bell: openExchange(description, isLocal ? [0, 1] : [1]).doorbell }
}

it('does not sleep where it was rung after the announcement', () => {
  const { description, bell } = open()
  bell.prepareSleep()
  ringDoorbell(description, 1)
  const start = performance.now()
  bell.sleep(longMs)
  bell.cancelSleep()
  expect(performance.now() - start).toBeLessThan(longMs / 2)
})

it('is not woken by rings from before, nor by those for another slot', () => {
  const { description, bell } = open()
  ringDoorbell(description, 1)
  bell.prepareSleep()
  ringDoorbell(description, 0)
  const start = performance.now()
  bell.sleep(20)
  bell.cancelSleep()
  expect(performance.now() - start).toBeGreaterThan(15)
})

it('wakes a slot that waits in its event loop', async () => {
  for (const isLocal of [false, true]) {
    const { description, bell } = open(isLocal)
    bell.prepareSleep()
    const woken = bell.sleepAsync(longMs)
    setImmediate(() => ringDoorbell(description, 1))
    const start = performance.now()
    await woken
    bell.cancelSleep()
    expect(performance.now() - start).toBeLessThan(longMs / 2)
  }
})
