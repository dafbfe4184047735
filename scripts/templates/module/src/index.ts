export { Create__Singular__ } from './create-__singular__/create-__singular__.command.js';
export { __Singular__Created } from './__singular__.events.js';
export { __Library__Module } from './__library__.module.js';
