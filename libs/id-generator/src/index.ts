export {
  type BusinessNumber,
  fromStoredNumber,
  storedNumbersBetween,
  toStoredNumber,
} from './business-number.js';
export { IdGenerator, type IssuedNumbers, type NumberSeries } from './id-generator.js';
export { IdGeneratorModule } from './id-generator.module.js';
