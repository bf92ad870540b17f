{%- set told = {
    'tells_author': 'message_author',
    'tells_visibility': 'message_visibility',
    'tells_vendor_status': 'vendor_status',
    'tells_satisfaction': 'satisfaction',
} -%}

with covered_connections as (

    select * from {{ ref('int_connections_covered') }}

),

listed_connections as (

    select
        connection_id,
        integration_name,
        external_xref,
        environment,
        is_paused,
        observed_at,
        {{ json_boolean('support', ['ticketing_note', 'methods', 'list']) }} as offers_notes,
        {{ json_boolean('support', ['ticketing_ticket', 'methods', 'list']) }} is not null as has_support_table,
        coalesce({{ json_text('support', ['ticketing_note', 'list_ticket_id']) }} = 'supported-required', false)
            as lists_notes_per_ticket
    from {{ ref('stg_unified__connections') }}

),

tickets as (

    select
        connection_id,
        cast(sum(case when is_deleted then 0 else 1 end) as bigint) as ticket_count,
        cast(sum(case when is_deleted then 1 else 0 end) as bigint) as deleted_ticket_count,
        min(case when not is_deleted then opened_at end) as first_ticket_opened_at,
        max(case when not is_deleted then updated_at end) as last_ticket_updated_at,
        min(history_since_at) as history_since_at
    from {{ ref('tickets') }}
    group by connection_id

),

customers as (

    select
        connection_id,
        cast(sum(case when is_deleted then 0 else 1 end) as bigint) as customer_count,
        cast(sum(case when is_deleted then 1 else 0 end) as bigint) as deleted_customer_count
    from {{ ref('stg_unified__customers') }}
    group by connection_id

),

notes as (

    select
        connection_id,
        cast(sum(case when is_deleted then 0 else 1 end) as bigint) as note_count,
        cast(sum(case when is_deleted then 1 else 0 end) as bigint) as deleted_note_count
    from {{ ref('stg_unified__notes') }}
    group by connection_id

),

employees as (

    select distinct connection_id
    from {{ ref('stg_unified__employees') }}

),

metrics as (

    select
        {% for column, metric in told.items() -%}
            max(
                case
                    when metric <> '{{ metric }}' or reason = 'nothing_to_measure' then null
                    when availability = 'unavailable' then 0
                    else 1
                end
            ) = 1 as {{ column }},
        {% endfor -%}
        connection_id
    from {{ ref('metric_availability') }}
    group by connection_id

),

unavailable_metrics as (

    select
        connection_id,
        {{ json_array_aggregate(
            json_object({'metric': 'metric', 'reason': 'reason'}), order_by=byte_order('metric')
        ) }} as unavailable_metrics
    from {{ ref('metric_availability') }}
    where availability = 'unavailable'
    group by connection_id

)

select
    connections.connection_id,
    connections.integration_type,
    listed_connections.integration_name,
    listed_connections.external_xref,
    listed_connections.environment,
    connections.calendar,
    connections.data_as_of,
    connections.tickets_read_through_at,
    connections.notes_read_through_at,
    coalesce(tickets.ticket_count, 0) as ticket_count,
    coalesce(tickets.deleted_ticket_count, 0) as deleted_ticket_count,
    coalesce(customers.customer_count, 0) as customer_count,
    coalesce(customers.deleted_customer_count, 0) as deleted_customer_count,
    coalesce(notes.note_count, 0) as note_count,
    coalesce(notes.deleted_note_count, 0) as deleted_note_count,
    tickets.first_ticket_opened_at,
    tickets.last_ticket_updated_at,
    tickets.history_since_at,
    case
        when connections.notes_read_through_at is not null
            then coalesce(connections.all_notes_read_through_at = connections.notes_read_through_at, false)
        when listed_connections.has_support_table
            then coalesce(listed_connections.offers_notes, false) and not listed_connections.lists_notes_per_ticket
    end as has_notes_listed,
    employees.connection_id is not null as has_employees,
    {% for column in told -%}
        metrics.{{ column }},
    {% endfor -%}
    cast(coalesce(unavailable_metrics.unavailable_metrics, cast('[]' as json)) as json) as unavailable_metrics,
    listed_connections.observed_at as last_listed_at,
    listed_connections.is_paused
from covered_connections as connections
left join listed_connections
    on connections.connection_id = listed_connections.connection_id
left join tickets
    on connections.connection_id = tickets.connection_id
left join customers
    on connections.connection_id = customers.connection_id
left join notes
    on connections.connection_id = notes.connection_id
left join employees
    on connections.connection_id = employees.connection_id
left join metrics
    on connections.connection_id = metrics.connection_id
left join unavailable_metrics
    on connections.connection_id = unavailable_metrics.connection_id
