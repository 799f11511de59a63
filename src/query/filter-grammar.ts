// Generated automatically by nearley, version 2.20.1
// http://github.com/Hardmath123/nearley
// Bypasses TS6133. Allow declared but unused functions.
// @ts-ignore
function id(d: any[]): any { return d[0]; }
declare var or: any;
declare var and: any;
declare var not: any;
declare var open: any;
declare var close: any;
declare var name: any;
declare var comparison: any;
declare var within: any;
declare var range: any;
declare var comma: any;
declare var number: any;
declare var text: any;

import { filterLexer as lexer } from './filter-lexer.ts'
import * as node from './filter-nodes.ts'

interface NearleyToken {
  value: any;
  [key: string]: any;
};

interface NearleyLexer {
  reset: (chunk: string, info: any) => void;
  next: () => NearleyToken | undefined;
  save: () => any;
  formatError: (token: never) => string;
  has: (tokenType: string) => boolean;
};

interface NearleyRule {
  name: string;
  symbols: NearleySymbol[];
  postprocess?: (d: any[], loc?: number, reject?: {}) => any;
};

type NearleySymbol = string | { literal: any } | { test: (token: any) => boolean };

interface Grammar {
  Lexer: NearleyLexer | undefined;
  ParserRules: NearleyRule[];
  ParserStart: string;
};

const grammar: Grammar = {
  Lexer: lexer,
  ParserRules: [
    {"name": "filter", "symbols": ["either"], "postprocess": id},
    {"name": "either", "symbols": ["both"], "postprocess": id},
    {"name": "either", "symbols": ["either", (lexer.has("or") ? {type: "or"} : or), "both"], "postprocess": node.or},
    {"name": "both", "symbols": ["inverse"], "postprocess": id},
    {"name": "both", "symbols": ["both", (lexer.has("and") ? {type: "and"} : and), "inverse"], "postprocess": node.and},
    {"name": "inverse", "symbols": [(lexer.has("not") ? {type: "not"} : not), "inverse"], "postprocess": node.not},
    {"name": "inverse", "symbols": ["term"], "postprocess": id},
    {"name": "term", "symbols": [(lexer.has("open") ? {type: "open"} : open), "either", (lexer.has("close") ? {type: "close"} : close)], "postprocess": node.inner},
    {"name": "term", "symbols": [(lexer.has("name") ? {type: "name"} : name)], "postprocess": node.kind},
    {"name": "term", "symbols": [(lexer.has("name") ? {type: "name"} : name), (lexer.has("comparison") ? {type: "comparison"} : comparison), "value"], "postprocess": node.comparison},
    {"name": "term", "symbols": [(lexer.has("name") ? {type: "name"} : name), (lexer.has("within") ? {type: "within"} : within), "value", (lexer.has("range") ? {type: "range"} : range), "value"], "postprocess": node.range},
    {"name": "term", "symbols": [(lexer.has("name") ? {type: "name"} : name), (lexer.has("open") ? {type: "open"} : open), "values", (lexer.has("close") ? {type: "close"} : close)], "postprocess": node.call},
    {"name": "values", "symbols": ["value"], "postprocess": node.list},
    {"name": "values", "symbols": ["values", (lexer.has("comma") ? {type: "comma"} : comma), "value"], "postprocess": node.append},
    {"name": "value", "symbols": [(lexer.has("number") ? {type: "number"} : number)], "postprocess": node.number},
    {"name": "value", "symbols": [(lexer.has("text") ? {type: "text"} : text)], "postprocess": node.text},
    {"name": "value", "symbols": [(lexer.has("name") ? {type: "name"} : name)], "postprocess": node.name}
  ],
  ParserStart: "filter",
};

export default grammar;
