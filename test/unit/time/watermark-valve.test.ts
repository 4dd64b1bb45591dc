import { describe, expect, it } from 'vitest'
import { maxWatermark, minWatermark } from '../../../src/common/limits.ts'
import { ValveChange, WatermarkValve } from '../../../src/time/watermark-valve.ts'

describe('WatermarkValve', () => {
  it('rises to the minimum over its inputs and names the one that holds it back', () => {
    const valve = new WatermarkValve(2)
    expect(valve.inputWatermark(0, 5)).toBe(ValveChange.None)
    expect(valve.watermarkMs).toBe(minWatermark)
    expect(valve.holdingBack()).toEqual({ input: 1, watermarkMs: minWatermark })
    expect(valve.inputWatermark(1, 3)).toBe(ValveChange.Watermark)
    expect(valve.watermarkMs).toBe(3)
    expect(valve.holdingBack()).toEqual({ input: 1, watermarkMs: 3 })
  })

  it('ignores a watermark that goes backwards', () => {
    const valve = new WatermarkValve(1)
    valve.inputWatermark(0, 10)
    expect(valve.inputWatermark(0, 4)).toBe(ValveChange.None)
    expect(valve.watermarkMs).toBe(10)
  })

  it('does not wait for an idle input, and lets it count again only once it has caught up', () => {
    const valve = new WatermarkValve(2)
    valve.inputWatermark(0, 10)
    expect(valve.inputStatus(1, true)).toBe(ValveChange.Watermark)
    expect(valve.watermarkMs).toBe(10)
    valve.inputStatus(1, false)
    expect(valve.inputWatermark(1, 6)).toBe(ValveChange.None)
    expect(valve.inputWatermark(0, 20)).toBe(ValveChange.Watermark)
    expect(valve.watermarkMs).toBe(20)
    valve.inputWatermark(1, 20)
    valve.inputWatermark(0, 30)
    expect(valve.watermarkMs).toBe(20)
    expect(valve.holdingBack()).toEqual({ input: 1, watermarkMs: 20 })
  })

  it('lets the largest watermark through when the last active input falls idle', () => {
    const valve = new WatermarkValve(2)
    valve.inputWatermark(0, 10)
    valve.inputWatermark(1, 7)
    expect(valve.inputStatus(0, true)).toBe(ValveChange.None)
    expect(valve.inputStatus(1, true)).toBe(ValveChange.Watermark | ValveChange.Status)
    expect(valve.watermarkMs).toBe(10)
    expect(valve.isIdle).toBe(true)
    expect(valve.inputWatermark(0, 50)).toBe(ValveChange.None)
    expect(valve.inputStatus(0, false)).toBe(ValveChange.Status)
    expect(valve.isIdle).toBe(false)
  })

  it('gives the maximal watermark when all inputs have ended, and not before', () => {
    const valve = new WatermarkValve(3)
    valve.inputStatus(2, true)
    valve.inputWatermark(0, 4)
    expect(valve.endInput(0)).toBe(ValveChange.None)
    valve.inputWatermark(1, 8)
    expect(valve.watermarkMs).toBe(8)
    expect(valve.endInput(1)).toBe(ValveChange.Status)
    expect(valve.watermarkMs).toBe(8)
    expect(valve.endInput(2)).toBe(ValveChange.Status | ValveChange.Watermark)
    expect(valve.watermarkMs).toBe(maxWatermark)
  })
})
