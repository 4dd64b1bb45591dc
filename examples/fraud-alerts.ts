/**
 * Alerts on a small payment that is followed by a large one within a while, by rules that can change while the job runs:
 * `millrace run examples/fraud-alerts.ts -- --payments FILE --rules FILE --output DIR`
 *
 * Payments are lines `{"account","amount","timeMs"}` in order of time, rules `{"small","large","withinMs"}`. Every subtask
 * gets all rules (broadcast state); payments that come before the first rule wait in their account's state. A timer forgets
 * a small payment when its time is over. Alerts are lines `{"account","amount","timeMs"}`.
 */
import {
  type Collector,
  fileSink,
  job,
  type KeyedBroadcastContext,
  type KeyedBroadcastProcessFunction,
  type KeyedReadOnlyBroadcastContext,
  type ListState,
  listState,
  mapState,
  ndjson,
  type OnTimerBroadcastContext,
  run,
  type RuntimeContext,
  types,
  type ValueState,
  valueState,
  WatermarkStrategy,
} from 'millrace'

interface Payment {
  account: string
  amount: number
  timeMs: number
}
interface Rule {
  small: number
  large: number
  withinMs: number
}

const paymentType = types.row({ account: types.text(), amount: types.float64(), timeMs: types.float64() })
const ruleType = types.row({ small: types.float64(), large: types.float64(), withinMs: types.float64() })
const rules = mapState('rules', types.text(), ruleType)
const waitingPayments = listState('waiting', paymentType)
/** Time of the account's last small payment. */
const smallAt = valueState('small-at', types.float64())

class Alerts implements KeyedBroadcastProcessFunction<string, Payment, Rule, Payment> {
  #smallAt!: ValueState<number>
  #waiting!: ListState<Payment>

  open(context: RuntimeContext): void {
    this.#smallAt = context.getState(smallAt)
    this.#waiting = context.getListState(waitingPayments)
  }

  processElement(payment: Payment, context: KeyedReadOnlyBroadcastContext<string>, out: Collector<Payment>): void {
    const rule = context.getBroadcastState(rules).get('current')
    if (rule === undefined) return this.#waiting.add(payment)
    this.#check(payment, rule, out)
    const since = this.#smallAt.value()
    if (since === payment.timeMs) context.timerService().registerEventTimeTimer(since + rule.withinMs)
  }

  processBroadcastElement(rule: Rule, context: KeyedBroadcastContext<string>, out: Collector<Payment>): void {
    context.getBroadcastState(rules).put('current', rule)
    context.applyToKeyedState(waitingPayments, (_account, waiting) => {
      for (const payment of waiting.get()) this.#check(payment, rule, out)
      waiting.clear()
    })
  }

  onTimer(timeMs: number, context: OnTimerBroadcastContext<string>): void {
    const since = this.#smallAt.value()
    const withinMs = context.getBroadcastState(rules).get('current')?.withinMs ?? 0
    if (since !== undefined && since + withinMs <= timeMs) this.#smallAt.clear()
  }

  #check(payment: Payment, rule: Rule, out: Collector<Payment>): void {
    const since = this.#smallAt.value()
    const isNear = since !== undefined && payment.timeMs - since <= rule.withinMs
    if (isNear && payment.amount >= rule.large) out.collect(payment)
    if (payment.amount <= rule.small) this.#smallAt.update(payment.timeMs)
    else this.#smallAt.clear()
  }
}

export default job('fraud-alerts', (env) => {
  const { parameters } = env
  const byTime = WatermarkStrategy.forMonotonousTimestamps<Payment>().withTimestampAssigner((one) => one.timeMs)
  const changes = env.source(ndjson(parameters.required('rules'), { type: ruleType }), undefined, 'rules')
  env
    .source(ndjson(parameters.required('payments'), { type: paymentType }), byTime, 'payments')
    .keyBy('account')
    .connect(changes.broadcast(rules))
    .process(new Alerts())
    .sinkTo(fileSink(parameters.required('output'), { format: 'ndjson' }))
})

if (import.meta.main) await run(import.meta)
