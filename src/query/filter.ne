# What `vtick query`, the explorer's filter and breakpoints ask of an event. Built by `npm run grammar` into filter-grammar.ts.
# `or` binds looser than `and`, `and` looser than `not`; C's signs mean the same. Every text has at most one parse.

@preprocessor typescript

@{%
import { filterLexer as lexer } from './filter-lexer.ts'
import * as node from './filter-nodes.ts'
%}

@lexer lexer

filter -> either                               {% id %}

either -> both                                 {% id %}
        | either %or both                      {% node.or %}
both -> inverse                                {% id %}
      | both %and inverse                      {% node.and %}
inverse -> %not inverse                        {% node.not %}
         | term                                {% id %}

term -> %open either %close                    {% node.inner %}
      | %name                                  {% node.kind %}
      | %name %comparison value                {% node.comparison %}
      | %name %within value %range value      {% node.range %}
      | %name %open values %close              {% node.call %}

values -> value                                {% node.list %}
        | values %comma value                  {% node.append %}
value -> %number                               {% node.number %}
       | %text                                 {% node.text %}
       | %name                                 {% node.name %}
