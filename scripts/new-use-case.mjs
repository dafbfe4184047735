// npm run new:use-case -- <library> <use-case> [<past participle>]
//
// `npm run new:use-case -- orders hold-order held` makes libs/orders/src/hold-order/: a command, its handler, its
// request body, a spec and the event OrderHeld. It prints what to add to the module and the controller.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { isKebabCase, pascalCase, refuse, render, root, snakeCase, spaced } from './render-template.mjs';

const [library, useCase, participle] = process.argv.slice(2);
const usage = 'Usage: npm run new:use-case -- <library> <use-case> [<past participle>]';
if (library === undefined || useCase === undefined) refuse(usage);
if (!existsSync(join(root, 'libs', library, 'src'))) refuse(`There is no library libs/${library}.`);
if (!isKebabCase(useCase) || !useCase.includes('-')) {
  refuse(`Name a use case as verb and noun, as in hold-order; ${useCase} is not.`);
}
if (participle !== undefined && !/^[a-z]+$/.test(participle))
  refuse(`${participle} is not a past participle.`);

const [verb = '', ...noun] = useCase.split('-');
const entity = noun.join('-');
const done = participle ?? regularPast(verb);

const words = {
  library,
  'use-case': useCase,
  'use-case-in-words': spaced(useCase),
  UseCase: pascalCase(useCase),
  verb,
  Event: pascalCase(`${entity}-${done}`),
  'event-type': `${snakeCase(entity)}.${done}`,
  'entity-type': snakeCase(entity),
};
const files = await render('use-case', join(root, 'libs', library, 'src', useCase), words);

console.log(`Made
${files.map((file) => `  ${file}`).join('\n')}

The event is ${words.Event}; say another past participle as a third word if ${done} is not English.

Add to libs/${library}/src/${library}.module.ts, under providers:

    ${words.UseCase}Handler,

  import { ${words.UseCase}Handler } from './${useCase}/${useCase}.command.js';

and a route to a controller of libs/${library}:

  @Post(':id/${verb}')
  @HttpCode(200)
  @ApiOperation({ summary: '${pascalCase(verb)} ${indefinite(spaced(entity))}' })
  @ApiOkResponse({ type: ${words.UseCase}Response })
  @ApiIdempotent()
  @ApiErrors(404, 409, 413, 415)
  ${verb}(
    @Param('id') id: string,
    @Body() body: ${words.UseCase}Request,
    @Context() context: RequestContext,
    @Idempotency() idempotency?: IdempotencyClaim,
  ) {
    return this.commands.execute(new ${words.UseCase}(id, body, context, idempotency));
  }

  import { ${words.UseCase} } from './${useCase}/${useCase}.command.js';
  import { ${words.UseCase}Request, ${words.UseCase}Response } from './${useCase}/${useCase}.dto.js';

Then: npm test -- ${useCase}`);

function regularPast(word) {
  if (word.endsWith('e')) return `${word}d`;
  return word.replace(/([^aeiou])y$/, '$1i').concat('ed');
}

function indefinite(thing) {
  return `${/^[aeiou]/.test(thing) ? 'an' : 'a'} ${thing}`;
}
