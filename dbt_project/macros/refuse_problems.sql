{# A test of a seed: fails with its problems in words, since whoever edits a seed does not read SQL. `problems` is a query
   of `what` and `problem`. #}
{% macro refuse_problems(seed, problems) -%}
    {%- if execute and flags.WHICH in ('build', 'test') -%}
        {%- set lines = [] -%}
        {%- for row in run_query(problems).rows -%}
            {%- do lines.append('  ' ~ row['what'] ~ ': ' ~ row['problem']) -%}
        {%- endfor -%}
        {%- if lines -%}
            {{ exceptions.raise_compiler_error(
                'dbt_project/seeds: ' ~ seed ~ ' is to be mended:\n' ~ lines[:20] | join('\n')
                ~ ('\n  … ' ~ (lines | length - 20) ~ ' more' if lines | length > 20 else '')
            ) }}
        {%- endif -%}
    {%- endif -%}
    {{ problems }}
{%- endmacro %}
