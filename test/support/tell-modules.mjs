// Preloaded into a server: writes down which packages of OpenTelemetry it loads, and by which name.
import { writeSync } from 'node:fs';
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (specifier.startsWith('@opentelemetry/')) writeSync(2, `loads ${specifier}\n`);
    return nextResolve(specifier, context);
  },
});
