import { twoEnds } from '../support/two-ends.ts'
import { describeChannel } from './channel.ts'

describeChannel('ring channel', (options) => twoEnds('ring', options))
describeChannel('local channel', (options) => twoEnds('local', options))
