# One language for what `vtick query` asks of events, what breakpoints and `--until` ask of events and of the state, where a value
# stands (a location), and where in a trace (a position). Built by `npm run grammar` into expression-grammar.ts.
# `or` binds looser than `and`, `and` looser than `not`; C's signs mean the same. Every text has at most one parse from each start.

@preprocessor typescript

@{%
import { expressionLexer as lexer } from './expression-lexer.ts'
import * as node from './expression-nodes.ts'
%}

@lexer lexer

expression -> either                           {% id %}

either -> both                                 {% id %}
        | either %or both                      {% node.or %}
both -> inverse                                {% id %}
      | both %and inverse                      {% node.and %}
inverse -> %not inverse                        {% node.not %}
         | term                                {% id %}

term -> %open either %close                    {% node.inner %}
      | value                                  {% node.bare %}
      | value %comparison value                {% node.comparison %}
      | value %within value %range value       {% node.range %}
      | %name %open values %close              {% node.call %}

values -> value                                {% node.list %}
        | values %comma value                  {% node.append %}

value -> word                                  {% id %}
       | value %sign word                      {% node.sum %}
word -> %number                                {% node.number %}
      | %text                                  {% node.text %}
      | %name                                  {% node.name %}
      | %place                                 {% node.place %}
      | %from value %to                        {% node.memory %}
      | %from value %to %size                  {% node.memory %}

position -> %event                             {% node.position %}
          | %number                            {% node.position %}
          | %counted                           {% node.position %}
          | %percent                           {% node.position %}
          | %mark                              {% node.position %}
          | %text                              {% node.position %}
          | %edge                              {% node.position %}
          | %name                              {% node.position %}
          | %name %event                       {% node.position %}
