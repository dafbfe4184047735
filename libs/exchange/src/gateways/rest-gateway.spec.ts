import {
  describeExchangeGateway,
  type GatewayUnderTest,
  type PlacementFate,
} from '../../../../test/support/exchange-gateway-conformance.js';
import { type OwnVenue, startVenue } from '../../../../test/support/exchange-simulator.js';
import { RestGateway } from './rest-gateway.js';

const FATES: Record<
  PlacementFate,
  { refusalPercent?: number; lostAnswerPercent?: number; failurePercent?: number }
> = {
  accepted: {},
  refused: { refusalPercent: 100 },
  'accepted unheard': { lostAnswerPercent: 100 },
  'refused unheard': { refusalPercent: 100, lostAnswerPercent: 100 },
  'not taken': { failurePercent: 100 },
};

/** Nothing is filled before the test is over. */
const RESTING = { fillPaceMinMs: 3_600_000, fillPaceMaxMs: 3_600_000 };
const FILLING = { fillPaceMinMs: 0, fillPaceMaxMs: 5, fillsMin: 2 };

async function underTest(): Promise<GatewayUnderTest> {
  const venue: OwnVenue = await startVenue({ token: 'open sesame', behaviour: RESTING });
  const gateway = new RestGateway({ venue: 'XSIM', url: venue.url, token: 'open sesame', connections: 8 });
  return {
    gateway,
    arrange: async (fate) => {
      await venue.behave({ refusalPercent: 0, lostAnswerPercent: 0, failurePercent: 0, ...FATES[fate] });
    },
    ordersAtVenue: async () => (await venue.orders()).length,
    fillOrders: () => venue.behave(FILLING),
    breakStreams: () => venue.cut(),
    readers: async () => (await venue.counts()).readers,
    close: async () => {
      await gateway.close();
      await venue.stop();
    },
  };
}

describeExchangeGateway('The REST gateway', underTest);
