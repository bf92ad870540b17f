{# Which role goes first among messages of the same second: the customer, so that a reply comes after the question. #}
{% macro author_rank(expression) -%}
    case {{ expression }} when 'customer' then 1 when 'agent' then 2 when 'bot' then 3 else 4 end
{%- endmacro %}
