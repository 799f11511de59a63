# One logical line of assembly language: NASM's. Built by `npm run grammar` into grammar.ts.
#
# White space and comments never come here, nor does anything of the preprocessor. Tokens are known by their type alone, and
# the functions of nodes.ts make the tree. Every line has exactly one parse; a test holds this over the corpus.

@preprocessor typescript

@{%
import * as node from './nodes.ts'
import { shapeLexer as lexer } from './shape-lexer.ts'
%}

@lexer lexer

line -> null                                {% node.emptyLine %}
      | label                               {% node.labelLine %}
      | label statement                     {% node.labelledLine %}
      | statement                           {% node.statementLine %}
      | unknown                             {% node.statementLine %}
      | colonLabel anyUnknown               {% node.labelledLine %}
      | "[" directive "]"                   {% node.bracketLine %}

label -> colonLabel                         {% id %}
       | %name                              {% node.label %}
colonLabel -> %name ":"                     {% node.label %}

statement -> instruction                    {% id %}
           | times                          {% id %}
           | content                        {% id %}
           | %equ expression                {% node.equ %}
           | directive                      {% id %}

# A word that is no mnemonic, used as one.
unknown -> %name operands                   {% node.unknown %}
anyUnknown -> unknown                       {% id %}
            | %name                         {% node.unknown %}

times -> %times expression repeated         {% node.times %}
repeated -> instruction                     {% id %}
          | content                         {% id %}
          | times                           {% id %}
          | anyUnknown                      {% id %}

instruction -> %mnemonic                    {% node.instruction %}
             | %mnemonic operands           {% node.instruction %}
             | %prefix                      {% node.lonePrefix %}
             | %prefix instruction          {% node.prefixed %}
             | %segment instruction         {% node.prefixed %}

operands -> operand                         {% node.list %}
          | operands "," operand            {% node.append %}

operand -> words value                      {% node.operand %}
words -> null                               {% node.none %}
       | words operandWord                  {% node.word %}
operandWord -> %size                        {% id %}
             | %strict                      {% id %}
             | %distance                    {% id %}

value -> expression                         {% node.plain %}
       | expression ":" expression          {% node.far %}
       | "[" addressWords expression "]"    {% node.memory %}
       | "[" addressWords %segment ":" addressWords expression "]"  {% node.segmentMemory %}

addressWords -> null                        {% node.none %}
              | addressWords addressWord    {% node.word %}
addressWord -> %size                        {% id %}
             | %relative                    {% id %}
             | %nosplit                     {% id %}

content -> %data items                      {% node.data %}
         | %reserve expression              {% node.reserve %}
         | %incbin expressions              {% node.incbin %}

items -> item                               {% node.firstItem %}
       | items "," item                     {% node.nextItem %}
item -> expression                          {% id %}
      | "?"                                 {% node.unset %}
      | expression %dup "(" items ")"       {% node.dup %}

directive -> %bits                          {% node.directive %}
           | %bits expression               {% node.directive %}
           | %org expression                {% node.directive %}
           | %absolute expression           {% node.directive %}
           | %align expression              {% node.directive %}
           | %align expression "," fill     {% node.directiveStatement %}
           | %addressing attributes          {% node.directiveAttributes %}
           | %section attributes            {% node.directiveAttributes %}
           | %global symbols                {% node.directiveAttributes %}
           | %extern symbols                {% node.directiveAttributes %}
           | %struc symbols                 {% node.directiveAttributes %}
           | %struc symbols "," expression  {% node.strucAt %}
           | %istruc symbols                {% node.directiveAttributes %}
           | %at expression                 {% node.directive %}
           | %at expression "," repeated    {% node.directiveStatement %}
           | %endstruc                      {% node.directive %}
           | %iend                          {% node.directive %}
           | %refused                       {% node.directive %}
           | %refused attributes            {% node.directiveAttributes %}

fill -> repeated                            {% id %}

attributes -> attribute                     {% node.list %}
            | attributes attribute          {% node.appendNext %}
attribute -> anyWord                        {% node.attribute %}
           | anyWord "=" unary              {% node.attributeValue %}
anyWord -> %name                            {% id %}
         | %align                           {% id %}
         | %relative                        {% id %}
         | %mnemonic                        {% id %}
         | %register                        {% id %}
         | %number                          {% id %}
         | %string                          {% id %}

symbols -> symbol                           {% node.list %}
         | symbols "," symbol               {% node.append %}
symbol -> %name                             {% node.attribute %}
        | %name ":" attributes              {% node.symbolType %}

expressions -> expression                   {% node.list %}
             | expressions "," expression   {% node.append %}

# NASM's levels, loosest first.
expression -> choice                        {% id %}
            | choice %wrt unary             {% node.binary %}
choice -> or                                {% id %}
        | or "?" choice ":" choice          {% node.choice %}
or -> xor                                   {% id %}
    | or "||" xor                           {% node.binary %}
xor -> and                                  {% id %}
     | xor "^^" and                         {% node.binary %}
and -> comparison                           {% id %}
     | and "&&" comparison                  {% node.binary %}
comparison -> bitOr                         {% id %}
            | comparison comparing bitOr    {% node.binary %}
comparing -> "="                            {% id %}
           | "=="                           {% id %}
           | "!="                           {% id %}
           | "<>"                           {% id %}
           | "<"                            {% id %}
           | "<="                           {% id %}
           | ">"                            {% id %}
           | ">="                           {% id %}
           | "<=>"                          {% id %}
bitOr -> bitXor                             {% id %}
       | bitOr "|" bitXor                   {% node.binary %}
bitXor -> bitAnd                            {% id %}
        | bitXor "^" bitAnd                 {% node.binary %}
bitAnd -> shift                             {% id %}
        | bitAnd "&" shift                  {% node.binary %}
shift -> sum                                {% id %}
       | shift shifting sum                 {% node.binary %}
shifting -> "<<"                            {% id %}
          | ">>"                            {% id %}
          | "<<<"                           {% id %}
          | ">>>"                           {% id %}
sum -> product                              {% id %}
     | sum adding product                   {% node.binary %}
adding -> "+"                               {% id %}
        | "-"                               {% id %}
product -> unary                            {% id %}
         | product multiplying unary        {% node.binary %}
multiplying -> "*"                          {% id %}
             | "/"                          {% id %}
             | "//"                         {% id %}
             | "%"                          {% id %}
             | "%%"                         {% id %}
unary -> atom                               {% id %}
       | negating unary                     {% node.unary %}
negating -> "-"                             {% id %}
          | "+"                             {% id %}
          | "~"                             {% id %}
          | "!"                             {% id %}
          | %seg                            {% id %}
atom -> %number                             {% node.leaf %}
      | %float                              {% node.leaf %}
      | %string                             {% node.leaf %}
      | %name                               {% node.leaf %}
      | %register                           {% node.leaf %}
      | %segment                            {% node.leaf %}
      | %here                               {% node.leaf %}
      | %start                              {% node.leaf %}
      | "(" expression ")"                  {% node.parenthesized %}
