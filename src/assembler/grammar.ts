// Generated automatically by nearley, version 2.20.1
// http://github.com/Hardmath123/nearley
// Bypasses TS6133. Allow declared but unused functions.
// @ts-ignore
function id(d: any[]): any { return d[0]; }
declare var name: any;
declare var equ: any;
declare var times: any;
declare var mnemonic: any;
declare var prefix: any;
declare var segment: any;
declare var size: any;
declare var strict: any;
declare var distance: any;
declare var relative: any;
declare var nosplit: any;
declare var data: any;
declare var reserve: any;
declare var incbin: any;
declare var dup: any;
declare var bits: any;
declare var org: any;
declare var absolute: any;
declare var align: any;
declare var addressing: any;
declare var section: any;
declare var global: any;
declare var extern: any;
declare var struc: any;
declare var istruc: any;
declare var at: any;
declare var endstruc: any;
declare var iend: any;
declare var refused: any;
declare var register: any;
declare var number: any;
declare var string: any;
declare var wrt: any;
declare var seg: any;
declare var float: any;
declare var here: any;
declare var start: any;

import * as node from './nodes.ts'
import { shapeLexer as lexer } from './shape-lexer.ts'

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
    {"name": "line", "symbols": [], "postprocess": node.emptyLine},
    {"name": "line", "symbols": ["label"], "postprocess": node.labelLine},
    {"name": "line", "symbols": ["label", "statement"], "postprocess": node.labelledLine},
    {"name": "line", "symbols": ["statement"], "postprocess": node.statementLine},
    {"name": "line", "symbols": ["unknown"], "postprocess": node.statementLine},
    {"name": "line", "symbols": ["colonLabel", "anyUnknown"], "postprocess": node.labelledLine},
    {"name": "line", "symbols": [{"literal":"["}, "directive", {"literal":"]"}], "postprocess": node.bracketLine},
    {"name": "label", "symbols": ["colonLabel"], "postprocess": id},
    {"name": "label", "symbols": [(lexer.has("name") ? {type: "name"} : name)], "postprocess": node.label},
    {"name": "colonLabel", "symbols": [(lexer.has("name") ? {type: "name"} : name), {"literal":":"}], "postprocess": node.label},
    {"name": "statement", "symbols": ["instruction"], "postprocess": id},
    {"name": "statement", "symbols": ["times"], "postprocess": id},
    {"name": "statement", "symbols": ["content"], "postprocess": id},
    {"name": "statement", "symbols": [(lexer.has("equ") ? {type: "equ"} : equ), "expression"], "postprocess": node.equ},
    {"name": "statement", "symbols": ["directive"], "postprocess": id},
    {"name": "unknown", "symbols": [(lexer.has("name") ? {type: "name"} : name), "operands"], "postprocess": node.unknown},
    {"name": "anyUnknown", "symbols": ["unknown"], "postprocess": id},
    {"name": "anyUnknown", "symbols": [(lexer.has("name") ? {type: "name"} : name)], "postprocess": node.unknown},
    {"name": "times", "symbols": [(lexer.has("times") ? {type: "times"} : times), "expression", "repeated"], "postprocess": node.times},
    {"name": "repeated", "symbols": ["instruction"], "postprocess": id},
    {"name": "repeated", "symbols": ["content"], "postprocess": id},
    {"name": "repeated", "symbols": ["times"], "postprocess": id},
    {"name": "repeated", "symbols": ["anyUnknown"], "postprocess": id},
    {"name": "instruction", "symbols": [(lexer.has("mnemonic") ? {type: "mnemonic"} : mnemonic)], "postprocess": node.instruction},
    {"name": "instruction", "symbols": [(lexer.has("mnemonic") ? {type: "mnemonic"} : mnemonic), "operands"], "postprocess": node.instruction},
    {"name": "instruction", "symbols": [(lexer.has("prefix") ? {type: "prefix"} : prefix)], "postprocess": node.lonePrefix},
    {"name": "instruction", "symbols": [(lexer.has("prefix") ? {type: "prefix"} : prefix), "instruction"], "postprocess": node.prefixed},
    {"name": "instruction", "symbols": [(lexer.has("segment") ? {type: "segment"} : segment), "instruction"], "postprocess": node.prefixed},
    {"name": "operands", "symbols": ["operand"], "postprocess": node.list},
    {"name": "operands", "symbols": ["operands", {"literal":","}, "operand"], "postprocess": node.append},
    {"name": "operand", "symbols": ["words", "value"], "postprocess": node.operand},
    {"name": "words", "symbols": [], "postprocess": node.none},
    {"name": "words", "symbols": ["words", "operandWord"], "postprocess": node.word},
    {"name": "operandWord", "symbols": [(lexer.has("size") ? {type: "size"} : size)], "postprocess": id},
    {"name": "operandWord", "symbols": [(lexer.has("strict") ? {type: "strict"} : strict)], "postprocess": id},
    {"name": "operandWord", "symbols": [(lexer.has("distance") ? {type: "distance"} : distance)], "postprocess": id},
    {"name": "value", "symbols": ["expression"], "postprocess": node.plain},
    {"name": "value", "symbols": ["expression", {"literal":":"}, "expression"], "postprocess": node.far},
    {"name": "value", "symbols": [{"literal":"["}, "addressWords", "expression", {"literal":"]"}], "postprocess": node.memory},
    {"name": "value", "symbols": [{"literal":"["}, "addressWords", (lexer.has("segment") ? {type: "segment"} : segment), {"literal":":"}, "addressWords", "expression", {"literal":"]"}], "postprocess": node.segmentMemory},
    {"name": "addressWords", "symbols": [], "postprocess": node.none},
    {"name": "addressWords", "symbols": ["addressWords", "addressWord"], "postprocess": node.word},
    {"name": "addressWord", "symbols": [(lexer.has("size") ? {type: "size"} : size)], "postprocess": id},
    {"name": "addressWord", "symbols": [(lexer.has("relative") ? {type: "relative"} : relative)], "postprocess": id},
    {"name": "addressWord", "symbols": [(lexer.has("nosplit") ? {type: "nosplit"} : nosplit)], "postprocess": id},
    {"name": "content", "symbols": [(lexer.has("data") ? {type: "data"} : data), "items"], "postprocess": node.data},
    {"name": "content", "symbols": [(lexer.has("reserve") ? {type: "reserve"} : reserve), "expression"], "postprocess": node.reserve},
    {"name": "content", "symbols": [(lexer.has("incbin") ? {type: "incbin"} : incbin), "expressions"], "postprocess": node.incbin},
    {"name": "items", "symbols": ["item"], "postprocess": node.firstItem},
    {"name": "items", "symbols": ["items", {"literal":","}, "item"], "postprocess": node.nextItem},
    {"name": "item", "symbols": ["expression"], "postprocess": id},
    {"name": "item", "symbols": [{"literal":"?"}], "postprocess": node.unset},
    {"name": "item", "symbols": ["expression", (lexer.has("dup") ? {type: "dup"} : dup), {"literal":"("}, "items", {"literal":")"}], "postprocess": node.dup},
    {"name": "directive", "symbols": [(lexer.has("bits") ? {type: "bits"} : bits)], "postprocess": node.directive},
    {"name": "directive", "symbols": [(lexer.has("bits") ? {type: "bits"} : bits), "expression"], "postprocess": node.directive},
    {"name": "directive", "symbols": [(lexer.has("org") ? {type: "org"} : org), "expression"], "postprocess": node.directive},
    {"name": "directive", "symbols": [(lexer.has("absolute") ? {type: "absolute"} : absolute), "expression"], "postprocess": node.directive},
    {"name": "directive", "symbols": [(lexer.has("align") ? {type: "align"} : align), "expression"], "postprocess": node.directive},
    {"name": "directive", "symbols": [(lexer.has("align") ? {type: "align"} : align), "expression", {"literal":","}, "fill"], "postprocess": node.directiveStatement},
    {"name": "directive", "symbols": [(lexer.has("addressing") ? {type: "addressing"} : addressing), "attributes"], "postprocess": node.directiveAttributes},
    {"name": "directive", "symbols": [(lexer.has("section") ? {type: "section"} : section), "attributes"], "postprocess": node.directiveAttributes},
    {"name": "directive", "symbols": [(lexer.has("global") ? {type: "global"} : global), "symbols"], "postprocess": node.directiveAttributes},
    {"name": "directive", "symbols": [(lexer.has("extern") ? {type: "extern"} : extern), "symbols"], "postprocess": node.directiveAttributes},
    {"name": "directive", "symbols": [(lexer.has("struc") ? {type: "struc"} : struc), "symbols"], "postprocess": node.directiveAttributes},
    {"name": "directive", "symbols": [(lexer.has("struc") ? {type: "struc"} : struc), "symbols", {"literal":","}, "expression"], "postprocess": node.strucAt},
    {"name": "directive", "symbols": [(lexer.has("istruc") ? {type: "istruc"} : istruc), "symbols"], "postprocess": node.directiveAttributes},
    {"name": "directive", "symbols": [(lexer.has("at") ? {type: "at"} : at), "expression"], "postprocess": node.directive},
    {"name": "directive", "symbols": [(lexer.has("at") ? {type: "at"} : at), "expression", {"literal":","}, "repeated"], "postprocess": node.directiveStatement},
    {"name": "directive", "symbols": [(lexer.has("endstruc") ? {type: "endstruc"} : endstruc)], "postprocess": node.directive},
    {"name": "directive", "symbols": [(lexer.has("iend") ? {type: "iend"} : iend)], "postprocess": node.directive},
    {"name": "directive", "symbols": [(lexer.has("refused") ? {type: "refused"} : refused)], "postprocess": node.directive},
    {"name": "directive", "symbols": [(lexer.has("refused") ? {type: "refused"} : refused), "attributes"], "postprocess": node.directiveAttributes},
    {"name": "fill", "symbols": ["repeated"], "postprocess": id},
    {"name": "attributes", "symbols": ["attribute"], "postprocess": node.list},
    {"name": "attributes", "symbols": ["attributes", "attribute"], "postprocess": node.appendNext},
    {"name": "attribute", "symbols": ["anyWord"], "postprocess": node.attribute},
    {"name": "attribute", "symbols": ["anyWord", {"literal":"="}, "unary"], "postprocess": node.attributeValue},
    {"name": "anyWord", "symbols": [(lexer.has("name") ? {type: "name"} : name)], "postprocess": id},
    {"name": "anyWord", "symbols": [(lexer.has("align") ? {type: "align"} : align)], "postprocess": id},
    {"name": "anyWord", "symbols": [(lexer.has("relative") ? {type: "relative"} : relative)], "postprocess": id},
    {"name": "anyWord", "symbols": [(lexer.has("mnemonic") ? {type: "mnemonic"} : mnemonic)], "postprocess": id},
    {"name": "anyWord", "symbols": [(lexer.has("register") ? {type: "register"} : register)], "postprocess": id},
    {"name": "anyWord", "symbols": [(lexer.has("number") ? {type: "number"} : number)], "postprocess": id},
    {"name": "anyWord", "symbols": [(lexer.has("string") ? {type: "string"} : string)], "postprocess": id},
    {"name": "symbols", "symbols": ["symbol"], "postprocess": node.list},
    {"name": "symbols", "symbols": ["symbols", {"literal":","}, "symbol"], "postprocess": node.append},
    {"name": "symbol", "symbols": [(lexer.has("name") ? {type: "name"} : name)], "postprocess": node.attribute},
    {"name": "symbol", "symbols": [(lexer.has("name") ? {type: "name"} : name), {"literal":":"}, "attributes"], "postprocess": node.symbolType},
    {"name": "expressions", "symbols": ["expression"], "postprocess": node.list},
    {"name": "expressions", "symbols": ["expressions", {"literal":","}, "expression"], "postprocess": node.append},
    {"name": "expression", "symbols": ["choice"], "postprocess": id},
    {"name": "expression", "symbols": ["choice", (lexer.has("wrt") ? {type: "wrt"} : wrt), "unary"], "postprocess": node.binary},
    {"name": "choice", "symbols": ["or"], "postprocess": id},
    {"name": "choice", "symbols": ["or", {"literal":"?"}, "choice", {"literal":":"}, "choice"], "postprocess": node.choice},
    {"name": "or", "symbols": ["xor"], "postprocess": id},
    {"name": "or", "symbols": ["or", {"literal":"||"}, "xor"], "postprocess": node.binary},
    {"name": "xor", "symbols": ["and"], "postprocess": id},
    {"name": "xor", "symbols": ["xor", {"literal":"^^"}, "and"], "postprocess": node.binary},
    {"name": "and", "symbols": ["comparison"], "postprocess": id},
    {"name": "and", "symbols": ["and", {"literal":"&&"}, "comparison"], "postprocess": node.binary},
    {"name": "comparison", "symbols": ["bitOr"], "postprocess": id},
    {"name": "comparison", "symbols": ["comparison", "comparing", "bitOr"], "postprocess": node.binary},
    {"name": "comparing", "symbols": [{"literal":"="}], "postprocess": id},
    {"name": "comparing", "symbols": [{"literal":"=="}], "postprocess": id},
    {"name": "comparing", "symbols": [{"literal":"!="}], "postprocess": id},
    {"name": "comparing", "symbols": [{"literal":"<>"}], "postprocess": id},
    {"name": "comparing", "symbols": [{"literal":"<"}], "postprocess": id},
    {"name": "comparing", "symbols": [{"literal":"<="}], "postprocess": id},
    {"name": "comparing", "symbols": [{"literal":">"}], "postprocess": id},
    {"name": "comparing", "symbols": [{"literal":">="}], "postprocess": id},
    {"name": "comparing", "symbols": [{"literal":"<=>"}], "postprocess": id},
    {"name": "bitOr", "symbols": ["bitXor"], "postprocess": id},
    {"name": "bitOr", "symbols": ["bitOr", {"literal":"|"}, "bitXor"], "postprocess": node.binary},
    {"name": "bitXor", "symbols": ["bitAnd"], "postprocess": id},
    {"name": "bitXor", "symbols": ["bitXor", {"literal":"^"}, "bitAnd"], "postprocess": node.binary},
    {"name": "bitAnd", "symbols": ["shift"], "postprocess": id},
    {"name": "bitAnd", "symbols": ["bitAnd", {"literal":"&"}, "shift"], "postprocess": node.binary},
    {"name": "shift", "symbols": ["sum"], "postprocess": id},
    {"name": "shift", "symbols": ["shift", "shifting", "sum"], "postprocess": node.binary},
    {"name": "shifting", "symbols": [{"literal":"<<"}], "postprocess": id},
    {"name": "shifting", "symbols": [{"literal":">>"}], "postprocess": id},
    {"name": "shifting", "symbols": [{"literal":"<<<"}], "postprocess": id},
    {"name": "shifting", "symbols": [{"literal":">>>"}], "postprocess": id},
    {"name": "sum", "symbols": ["product"], "postprocess": id},
    {"name": "sum", "symbols": ["sum", "adding", "product"], "postprocess": node.binary},
    {"name": "adding", "symbols": [{"literal":"+"}], "postprocess": id},
    {"name": "adding", "symbols": [{"literal":"-"}], "postprocess": id},
    {"name": "product", "symbols": ["unary"], "postprocess": id},
    {"name": "product", "symbols": ["product", "multiplying", "unary"], "postprocess": node.binary},
    {"name": "multiplying", "symbols": [{"literal":"*"}], "postprocess": id},
    {"name": "multiplying", "symbols": [{"literal":"/"}], "postprocess": id},
    {"name": "multiplying", "symbols": [{"literal":"//"}], "postprocess": id},
    {"name": "multiplying", "symbols": [{"literal":"%"}], "postprocess": id},
    {"name": "multiplying", "symbols": [{"literal":"%%"}], "postprocess": id},
    {"name": "unary", "symbols": ["atom"], "postprocess": id},
    {"name": "unary", "symbols": ["negating", "unary"], "postprocess": node.unary},
    {"name": "negating", "symbols": [{"literal":"-"}], "postprocess": id},
    {"name": "negating", "symbols": [{"literal":"+"}], "postprocess": id},
    {"name": "negating", "symbols": [{"literal":"~"}], "postprocess": id},
    {"name": "negating", "symbols": [{"literal":"!"}], "postprocess": id},
    {"name": "negating", "symbols": [(lexer.has("seg") ? {type: "seg"} : seg)], "postprocess": id},
    {"name": "atom", "symbols": [(lexer.has("number") ? {type: "number"} : number)], "postprocess": node.leaf},
    {"name": "atom", "symbols": [(lexer.has("float") ? {type: "float"} : float)], "postprocess": node.leaf},
    {"name": "atom", "symbols": [(lexer.has("string") ? {type: "string"} : string)], "postprocess": node.leaf},
    {"name": "atom", "symbols": [(lexer.has("name") ? {type: "name"} : name)], "postprocess": node.leaf},
    {"name": "atom", "symbols": [(lexer.has("register") ? {type: "register"} : register)], "postprocess": node.leaf},
    {"name": "atom", "symbols": [(lexer.has("segment") ? {type: "segment"} : segment)], "postprocess": node.leaf},
    {"name": "atom", "symbols": [(lexer.has("here") ? {type: "here"} : here)], "postprocess": node.leaf},
    {"name": "atom", "symbols": [(lexer.has("start") ? {type: "start"} : start)], "postprocess": node.leaf},
    {"name": "atom", "symbols": [{"literal":"("}, "expression", {"literal":")"}], "postprocess": node.parenthesized}
  ],
  ParserStart: "line",
};

export default grammar;
