{# A hash over all that makes rows of tickets besides their records: the models that are made ticket by ticket and all
   before them, seeds among these, every macro of the project, and the variables that they name. #}
{% macro logic_hash() -%}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- set texts = [] -%}
    {%- for unique_id in nodes_up_to(models_by_ticket()) | sort if unique_id in graph.nodes -%}
        {%- set node = graph.nodes[unique_id] -%}
        {%- do texts.append(unique_id ~ node.raw_code ~ node.checksum.checksum) -%}
    {%- endfor -%}
    {%- for name, macro in unified_ticketing.items() | sort(attribute='0') -%}
        {%- do texts.append(name ~ macro.macro.macro_sql) -%}
    {%- endfor -%}
    {%- set named = modules.re.findall("\\bvar\\([\"'](\\w+)", texts | join) | unique | reject('equalto', 'as_of') -%}
    {%- for name in named | sort -%}
        {%- do texts.append(name ~ '=' ~ var(name, none)) -%}
    {%- endfor -%}
    {{ return(local_md5(texts | join('\n'))) }}
{%- endmacro %}

{# The ids of nodes and of all that they are made from. #}
{% macro nodes_up_to(nodes) -%}
    {%- set found = nodes | map(attribute='unique_id') | list -%}
    {%- for unique_id in found if unique_id in graph.nodes -%}
        {%- for parent in graph.nodes[unique_id].depends_on.nodes if parent not in found -%}
            {%- do found.append(parent) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
