{# The name of a message's author, by the customer and the employee that are joined to it by the author's id. #}
{% macro author_name(messages, customers, employees) -%}
    case
        when {{ messages }}.author_role = 'customer' then {{ customers }}.customer_name
        when {{ messages }}.author_role_source = 'known_agent'
            then coalesce({{ employees }}.employee_name, {{ customers }}.customer_name)
        else {{ employees }}.employee_name
    end
{%- endmacro %}

{# After the messages that are due: the names of those authors of all others who are called otherwise now. #}
{% macro rename_authors() -%}
    {%- if is_incremental() -%}
        update {{ this }} as messages
        set author_name = authors.author_name
        from (
            select
                stored.message_id,
                stored.author_name as author_name_before,
                {{ author_name('stored', 'customers', 'employees') }} as author_name
            from {{ this }} as stored
            left join {{ ref('stg_unified__customers') }} as customers
                on
                    stored.connection_id = customers.connection_id
                    and stored.author_id = customers.customer_id
            left join {{ ref('stg_unified__employees') }} as employees
                on
                    stored.connection_id = employees.connection_id
                    and stored.author_id = employees.employee_id
        ) as authors
        where
            messages.message_id = authors.message_id
            and {{ differs('authors.author_name', 'authors.author_name_before') }}
    {%- endif -%}
{%- endmacro %}
