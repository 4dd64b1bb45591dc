/**
 * How sliding windows are cut into slices: at every window start and at every window end, so that each window is a run
 * of whole slices and a slice belongs to a run of windows. Where the size is a multiple of the slide, slices are slides;
 * otherwise there are two per slide ("pairs"). Tumbling windows are their own slices.
 */
import { assert } from '../common/assert.ts'
import { windowStartMs } from './window.ts'

export class SliceGeometry {
  readonly sizeMs: number
  readonly slideMs: number
  readonly offsetMs: number
  /** Length of the first of two slices of a slide; 0 where a slide is one slice. */
  readonly #firstMs: number

  constructor(sizeMs: number, slideMs: number, offsetMs: number) {
    assert(slideMs <= sizeMs, `slices need slide <= size, got ${slideMs} and ${sizeMs}`)
    this.sizeMs = sizeMs
    this.slideMs = slideMs
    this.offsetMs = offsetMs
    this.#firstMs = sizeMs % slideMs
  }

  sliceStartMs(timestampMs: number): number {
    const slideStartMs = windowStartMs(timestampMs, this.offsetMs, this.slideMs)
    const firstMs = this.#firstMs
    return firstMs === 0 || timestampMs - slideStartMs < firstMs ? slideStartMs : slideStartMs + firstMs
  }

  /** Exclusive. */
  sliceEndMs(sliceStartMs: number): number {
    const slideStartMs = windowStartMs(sliceStartMs, this.offsetMs, this.slideMs)
    const firstMs = this.#firstMs
    return firstMs === 0 || sliceStartMs !== slideStartMs ? slideStartMs + this.slideMs : slideStartMs + firstMs
  }

  get slicesPerWindow(): number {
    return this.#firstMs === 0 ? this.sizeMs / this.slideMs : 2 * Math.floor(this.sizeMs / this.slideMs) + 1
  }

  /** Slices are numbered in the order of time. */
  sliceNumber(sliceStartMs: number): number {
    const slideStartMs = windowStartMs(sliceStartMs, this.offsetMs, this.slideMs)
    const slideNumber = (slideStartMs - this.offsetMs) / this.slideMs
    if (this.#firstMs === 0) return slideNumber
    return 2 * slideNumber + (sliceStartMs === slideStartMs ? 0 : 1)
  }

  /** End of the first window that contains the slice. */
  firstWindowEndMs(sliceStartMs: number): number {
    return this.windowEndAtOrAfterMs(this.sliceEndMs(sliceStartMs))
  }

  /** End of the last window that contains the slice. */
  lastWindowEndMs(sliceStartMs: number): number {
    return windowStartMs(sliceStartMs, this.offsetMs, this.slideMs) + this.sizeMs
  }

  /** The smallest window end that is not below `timeMs`. */
  windowEndAtOrAfterMs(timeMs: number): number {
    return windowStartMs(timeMs - 1, this.offsetMs + this.sizeMs, this.slideMs) + this.slideMs
  }
}
