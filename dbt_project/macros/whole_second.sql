{# The second in which a moment lies. Helpdesks give some times with and some without fractions, so that times are
   compared by whole seconds. #}
{% macro whole_second(expression) -%}
    date_trunc('second', {{ expression }})
{%- endmacro %}
