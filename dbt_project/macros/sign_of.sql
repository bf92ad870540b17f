{# In a group by record over chosen signs: what one sign means, or (`column`) where it was found. #}
{% macro sign_of(sign, column='meaning') -%}
    max(case when sign = '{{ sign }}' then {{ column }} end)
{%- endmacro %}
