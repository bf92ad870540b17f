{# For `refuse_problems`: the cells that say something and could not be read, of a CTE with `what` and, for each column,
   what was read and (`…_text`) what stands there. #}
{% macro misread_cells(cells, whole_numbers=[], days=[]) -%}
    {%- set expected = {} -%}
    {%- for column in whole_numbers -%}
        {%- do expected.update({column: 'a whole number of up to nine digits, such as 3'}) -%}
    {%- endfor -%}
    {%- for column in days -%}
        {%- do expected.update({column: 'a day of the calendar, written YYYY-MM-DD'}) -%}
    {%- endfor -%}
    {%- for column, kind in expected.items() %}
select
    what,
    '{{ column }} has to be {{ kind }}, and not ' || {{ column }}_text as problem
from {{ cells }}
where {{ column }} is null and {{ column }}_text is not null
{{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
