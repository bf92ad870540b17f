{# A query of the signs that count, among those matched: one row per record and sign, the one of the lowest place. #}
{% macro signs_chosen(matches) -%}
    select *
    from (
        select
            *,
            row_number() over (
                partition by connection_id, record_id, sign
                order by
                    place asc,
                    is_for_all asc,
                    {{ byte_order('path') }} asc nulls last,
                    {{ byte_order('value') }} asc,
                    is_beginning asc
            ) as choice
        from {{ matches }}
    ) as matches_in_order
    where choice = 1
{%- endmacro %}
