import { parser } from '@prometheus-io/lezer-promql';

type Node = ReturnType<typeof parser.parse>['topNode'];

/** One metric as a query asks for it. */
export interface Selector {
  readonly metric: string;
  readonly matchers: readonly LabelMatcher[];
  /** The functions and aggregations around it, from the inside out: `rate`, `sum`, `histogram_quantile`. */
  readonly functions: readonly string[];
}

export interface LabelMatcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

/** Labels that a query groups or joins by, and the metrics that should have them. */
export interface Grouping {
  readonly labels: readonly string[];
  readonly metrics: readonly string[];
}

export interface PromqlQuery {
  readonly selectors: readonly Selector[];
  readonly groupings: readonly Grouping[];
}

/** What a query asks for. @throws {Error} where it is none */
export function readPromql(query: string): PromqlQuery {
  const nodes = descendantsOf(parser.parse(query).topNode);
  const mistake = nodes.find(({ type }) => type.isError);
  if (mistake !== undefined) throw new Error(`This is no PromQL from character ${mistake.from} on: ${query}`);
  const text = ({ from, to }: Node) => query.slice(from, to);
  const named = (name: string, among = nodes) => among.filter((node) => node.name === name);
  const metricOf = (selector: Node) => text(selector).split('{')[0] ?? '';
  return {
    selectors: named('VectorSelector').map((selector) => ({
      metric: metricOf(selector),
      matchers: named('UnquotedLabelMatcher', descendantsOf(selector)).map((matcher) => {
        const [label = '', operator = '', quoted = ''] = descendantsOf(matcher)
          .filter(({ name }) => ['LabelName', 'MatchOp', 'StringLiteral'].includes(name))
          .map(text);
        return { label, operator, value: JSON.parse(quoted) as string };
      }),
      functions: functionsAround(selector, text),
    })),
    groupings: named('GroupingLabels').map((labels) => ({
      labels: named('LabelName', descendantsOf(labels)).map(text),
      metrics: named('VectorSelector', descendantsOf(grouped(labels))).map(metricOf),
    })),
  };
}

function descendantsOf(root: Node): Node[] {
  const children: Node[] = [];
  for (let child = root.firstChild; child !== null; child = child.nextSibling) children.push(child);
  return [root, ...children.flatMap(descendantsOf)];
}

function functionsAround(selector: Node, text: (node: Node) => string): string[] {
  const functions: string[] = [];
  for (let node = selector.parent; node !== null; node = node.parent) {
    const isCall = node.name === 'FunctionCall' || node.name === 'AggregateExpr';
    if (isCall && node.firstChild !== null) functions.push(text(node.firstChild));
  }
  return functions;
}

/** The aggregation or the operation that a list of labels belongs to. */
function grouped(labels: Node): Node {
  const expression = labels.parent?.parent;
  if (expression == null) throw new Error('Labels that nothing is grouped by');
  return expression;
}
