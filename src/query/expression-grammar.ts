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
declare var comparison: any;
declare var within: any;
declare var range: any;
declare var name: any;
declare var comma: any;
declare var sign: any;
declare var number: any;
declare var text: any;
declare var place: any;
declare var from: any;
declare var to: any;
declare var size: any;
declare var event: any;
declare var counted: any;
declare var percent: any;
declare var mark: any;
declare var edge: any;

import { expressionLexer as lexer } from './expression-lexer.ts'
import * as node from './expression-nodes.ts'

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
    {"name": "expression", "symbols": ["either"], "postprocess": id},
    {"name": "either", "symbols": ["both"], "postprocess": id},
    {"name": "either", "symbols": ["either", (lexer.has("or") ? {type: "or"} : or), "both"], "postprocess": node.or},
    {"name": "both", "symbols": ["inverse"], "postprocess": id},
    {"name": "both", "symbols": ["both", (lexer.has("and") ? {type: "and"} : and), "inverse"], "postprocess": node.and},
    {"name": "inverse", "symbols": [(lexer.has("not") ? {type: "not"} : not), "inverse"], "postprocess": node.not},
    {"name": "inverse", "symbols": ["term"], "postprocess": id},
    {"name": "term", "symbols": [(lexer.has("open") ? {type: "open"} : open), "either", (lexer.has("close") ? {type: "close"} : close)], "postprocess": node.inner},
    {"name": "term", "symbols": ["value"], "postprocess": node.bare},
    {"name": "term", "symbols": ["value", (lexer.has("comparison") ? {type: "comparison"} : comparison), "value"], "postprocess": node.comparison},
    {"name": "term", "symbols": ["value", (lexer.has("within") ? {type: "within"} : within), "value", (lexer.has("range") ? {type: "range"} : range), "value"], "postprocess": node.range},
    {"name": "term", "symbols": [(lexer.has("name") ? {type: "name"} : name), (lexer.has("open") ? {type: "open"} : open), "values", (lexer.has("close") ? {type: "close"} : close)], "postprocess": node.call},
    {"name": "values", "symbols": ["value"], "postprocess": node.list},
    {"name": "values", "symbols": ["values", (lexer.has("comma") ? {type: "comma"} : comma), "value"], "postprocess": node.append},
    {"name": "value", "symbols": ["word"], "postprocess": id},
    {"name": "value", "symbols": ["value", (lexer.has("sign") ? {type: "sign"} : sign), "word"], "postprocess": node.sum},
    {"name": "word", "symbols": [(lexer.has("number") ? {type: "number"} : number)], "postprocess": node.number},
    {"name": "word", "symbols": [(lexer.has("text") ? {type: "text"} : text)], "postprocess": node.text},
    {"name": "word", "symbols": [(lexer.has("name") ? {type: "name"} : name)], "postprocess": node.name},
    {"name": "word", "symbols": [(lexer.has("place") ? {type: "place"} : place)], "postprocess": node.place},
    {"name": "word", "symbols": [(lexer.has("from") ? {type: "from"} : from), "value", (lexer.has("to") ? {type: "to"} : to)], "postprocess": node.memory},
    {"name": "word", "symbols": [(lexer.has("from") ? {type: "from"} : from), "value", (lexer.has("to") ? {type: "to"} : to), (lexer.has("size") ? {type: "size"} : size)], "postprocess": node.memory},
    {"name": "position", "symbols": [(lexer.has("event") ? {type: "event"} : event)], "postprocess": node.position},
    {"name": "position", "symbols": [(lexer.has("number") ? {type: "number"} : number)], "postprocess": node.position},
    {"name": "position", "symbols": [(lexer.has("counted") ? {type: "counted"} : counted)], "postprocess": node.position},
    {"name": "position", "symbols": [(lexer.has("percent") ? {type: "percent"} : percent)], "postprocess": node.position},
    {"name": "position", "symbols": [(lexer.has("mark") ? {type: "mark"} : mark)], "postprocess": node.position},
    {"name": "position", "symbols": [(lexer.has("text") ? {type: "text"} : text)], "postprocess": node.position},
    {"name": "position", "symbols": [(lexer.has("edge") ? {type: "edge"} : edge)], "postprocess": node.position},
    {"name": "position", "symbols": [(lexer.has("name") ? {type: "name"} : name)], "postprocess": node.position},
    {"name": "position", "symbols": [(lexer.has("name") ? {type: "name"} : name), (lexer.has("event") ? {type: "event"} : event)], "postprocess": node.position}
  ],
  ParserStart: "expression",
};

export default grammar;
