export { ChangeOrderStatus } from './change-order-status/change-order-status.command.js';
export { GetOrder } from './get-order/get-order.query.js';
export { CLAIMING_STATUSES, ORDER_STATUSES, type OrderStatus, orderStatusMachine } from './order-status.js';
export type { Order, OrderId, OrderLine, OrderPriority } from './order.entity.js';
export { DuplicateClientOrderId } from './order.errors.js';
export { OrderPlaced, OrderStatusChanged } from './order.events.js';
export { OrdersModule } from './orders.module.js';
export { PlaceOrder } from './place-order/place-order.command.js';
