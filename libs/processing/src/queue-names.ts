/** Orders that wait for a worker or are with one. */
export const ORDERS_QUEUE = 'orders';
/** Orders that have failed, until somebody starts them afresh. */
export const DEAD_ORDERS_QUEUE = 'orders-dead';
export const QUEUES = [ORDERS_QUEUE, DEAD_ORDERS_QUEUE] as const;
export type QueueName = (typeof QUEUES)[number];
