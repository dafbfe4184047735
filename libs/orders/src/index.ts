export { ChangeOrderStatus } from './change-order-status/change-order-status.command.js';
export {
  type AppliedMoves,
  type MovedOrder,
  type OrderMove,
  OrderMoves,
} from './change-order-status/order-moves.js';
export { GetOrder } from './get-order/get-order.query.js';
export { CLAIMING_STATUSES, ORDER_STATUSES, type OrderStatus, orderStatusMachine } from './order-status.js';
export {
  type OrderResponse,
  OrderStatusResponse,
  toOrderResponse,
  toOrderStatusResponse,
} from './order.dto.js';
export {
  type Order,
  ORDER_PRIORITIES,
  type OrderId,
  type OrderLine,
  type OrderPriority,
} from './order.entity.js';
export { DuplicateClientOrderId } from './order.errors.js';
export {
  type Attempt,
  type AttemptOutcome,
  ATTEMPT_OUTCOMES,
  OrderPlaced,
  OrderStatusChanged,
} from './order.events.js';
export { OrdersModule } from './orders.module.js';
export { PlaceOrder } from './place-order/place-order.command.js';
