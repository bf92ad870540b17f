{{ config(materialized='incremental', incremental_strategy='due_tickets') }}

{%- set fields = [
    ('status', 'status', 'has_own_status', 'true'),
    ('assignee', 'assignee_user_id', 'has_own_assignee', 'true'),
    ('priority', 'priority', 'has_own_priority', 'true'),
    ('category', 'category', 'has_own_category', 'true'),
    ('tags', 'tags', 'has_own_tags', 'true'),
    ('vendor_status', 'vendor_status', 'has_own_status', 'vendor_status is not null and vendor_status_before is not null and not is_baseline'),
] -%}

with versions as (

    select * from {{ due(ref('int_ticket_versions_ordered')) }} as versions
    where version_number > 1

),

changes as (

    {% for field, column, is_own, condition in fields %}
        {% if not loop.first %}union all{% endif %}
        select
            connection_id,
            ticket_id,
            version_number,
            {{ loop.index }} as field_number,
            integration_type,
            '{{ field }}' as field,
            {{ column }}_before as from_value,
            {{ column }} as to_value,
            changed_at,
            observed_after,
            observed_by,
            observed_via,
            {{ is_own }} as is_own
        from versions
        where
            {{ differs(column, column ~ '_before') }}
            and {{ condition }}
    {% endfor %}

)

select
    connection_id,
    ticket_id,
    row_number() over (
        partition by connection_id, ticket_id order by version_number asc, field_number asc
    ) as change_number,
    integration_type,
    field,
    from_value,
    to_value,
    changed_at,
    observed_after,
    observed_by,
    greatest({{ seconds_between('observed_after', 'observed_by') }}, 0) as uncertainty_seconds,
    observed_via,
    is_own,
    field = 'status' and to_value = 'closed' as is_closing,
    field = 'status' and from_value = 'closed' and not is_own as is_reopening,
    field = 'assignee' and from_value is not null and to_value is not null and not is_own as is_reassignment
from changes
