import { Text } from '@daybook/platform';

export class Create__Singular__Request {
  @Text(200, { example: 'The first one' })
  readonly name!: string;
}
