/**
 * q3: who in Oregon, Idaho and California sells in category 10: persons joined with auctions on the seller, without a
 * window, each pair as soon as both sides are there. Check: the auction's id.
 */
import { type ListState, type ValueState, types } from '../../../src/index.ts'
import { checkSink } from '../check-sink.ts'
import { auctionEvents } from '../generator.ts'
import type { Query } from '../workload.ts'

const states = new Set(['OR', 'ID', 'CA'])

export const q3: Query = (env, workload) => {
  let person: ValueState<boolean>
  let waiting: ListState<number>
  env
    .source(auctionEvents(workload, { person: ['id', 'state'], auction: ['id', 'seller', 'category'] }))
    .filter((event) => (event.kind === 'person' ? states.has(event.state) : event.category === 10))
    .keyBy((event) => (event.kind === 'person' ? event.id : event.seller), types.int32())
    .process<number>({
      open(context) {
        person = context.getState({ kind: 'value', name: 'person', type: types.bool() })
        waiting = context.getListState({ kind: 'list', name: 'auctions', type: types.int32() })
      },
      processElement(event, _context, out) {
        if (event.kind === 'person') {
          person.update(true)
          for (const auction of waiting.get()) out.collect(auction)
          waiting.clear()
        } else if (person.value() === true) out.collect(event.id)
        else waiting.add(event.id)
      },
    })
    .sinkTo(checkSink((auction) => auction))
}
