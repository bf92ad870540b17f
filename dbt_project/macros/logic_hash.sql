{# A hash over the project's own part in the rows of tickets: the models that are made ticket by ticket and all before
   them, every macro, and the variables that they name. Not the seeds: what counts of them is in their tables. #}
{% macro logic_hash() -%}
    {{ return(hash_of_models(models_up_to(models_by_ticket())) if execute else '') }}
{%- endmacro %}

{# The same of one model alone, which knows by other means that those before it tell it something else. #}
{% macro own_logic_hash() -%}
    {%- set is_in_graph = execute and model.resource_type != 'unit_test' -%}
    cast('{{ hash_of_models([model.unique_id]) if is_in_graph }}' as {{ dbt.type_string() }})
{%- endmacro %}

{% macro hash_of_models(unique_ids) -%}
    {%- set texts = [] -%}
    {%- for unique_id in unique_ids | sort -%}
        {%- do texts.append(unique_id ~ graph.nodes[unique_id].raw_code) -%}
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

{# The ids of models and of all models that they are made from. #}
{% macro models_up_to(nodes) -%}
    {%- set found = nodes | map(attribute='unique_id') | list -%}
    {%- for unique_id in found -%}
        {%- for parent in graph.nodes[unique_id].depends_on.nodes if parent.startswith('model.') and parent not in found -%}
            {%- do found.append(parent) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
