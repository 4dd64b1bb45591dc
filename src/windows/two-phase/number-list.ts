/** A list of int32 that keeps its room when it is emptied. */
const roomMin = 64

export class NumberList {
  /** The first `count` are in use. */
  numbers: Int32Array = new Int32Array(roomMin)
  count = 0

  push(number: number): void {
    if (this.count === this.numbers.length) {
      const wider = new Int32Array(2 * this.count)
      wider.set(this.numbers)
      this.numbers = wider
    }
    this.numbers[this.count++] = number
  }

  clear(): void {
    this.count = 0
  }
}
