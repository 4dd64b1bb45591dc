/** Interim: what the slots are told of the exchange. The ring channels bring the shared memory. */
export interface ExchangeDescription {
  readonly slotCount: number
}
