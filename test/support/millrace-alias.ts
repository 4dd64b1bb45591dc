/** Preloaded (`node --import`) where examples shall run on the sources instead of dist, in every thread. */
import { registerHooks } from 'node:module'

const target = new URL('../../src/index.ts', import.meta.url).href

registerHooks({
  resolve: (specifier, context, nextResolve) => nextResolve(specifier === 'millrace' ? target : specifier, context),
})
