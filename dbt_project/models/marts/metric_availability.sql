with connections as (

    select * from {{ ref('int_connections_covered') }}

),

tickets as (

    select
        tickets.*,
        coalesce(tickets.kind in ('spam', 'merged'), false) as is_set_aside
    from {{ ref('tickets') }} as tickets
    where not tickets.is_deleted

),

messages as (

    select * from {{ ref('conversation_messages') }}
    where note_id is not null

),

agents as (

    select distinct
        connection_id,
        author_id,
        author_name
    from {{ ref('conversation_messages') }}
    where author_role = 'agent' and author_id is not null

),

clocks as (

    select * from {{ ref('int_clocks_started') }}

),

policed_clocks as (

    select
        connection_id,
        ticket_id,
        metric,
        turn_number
    from {{ ref('int_sla_clocks') }}

),

protected_tickets as (

    select
        connection_id,
        ticket_id,
        is_body_protected
    from {{ ref('stg_unified__tickets') }}
    where not is_deleted

),

-- What each metric is about, and of which of it the metric is known.
cases as (

    select
        connection_id,
        'conversation' as metric,
        is_conversation_known as is_known
    from tickets
    union all
    select
        connection_id,
        'message_author' as metric,
        author_role <> 'unknown' as is_known
    from messages
    union all
    select
        connection_id,
        'message_visibility' as metric,
        visibility <> 'unknown' as is_known
    from messages
    union all
    select
        connection_id,
        'message_count' as metric,
        not is_body_protected as is_known
    from protected_tickets
    union all
    select
        connection_id,
        'agent_names' as metric,
        author_name is not null as is_known
    from agents
    union all
    select
        connection_id,
        'first_reply' as metric,
        is_conversation_known and not has_unknown_author as is_known
    from tickets
    where not is_set_aside
    union all
    select
        connection_id,
        'resolution' as metric,
        resolution_seconds is not null as is_known
    from tickets
    where is_closed
    union all
    select
        connection_id,
        'changes' as metric,
        coalesce(is_history_complete, false) as is_known
    from tickets
    union all
    select
        connection_id,
        'vendor_status' as metric,
        vendor_status is not null as is_known
    from tickets
    union all
    select
        connection_id,
        'satisfaction' as metric,
        satisfaction is not null as is_known
    from tickets
    where is_closed
    union all
    select
        connection_id,
        'category' as metric,
        category_name is not null as is_known
    from tickets
    union all
    select
        clocks.connection_id,
        'service_levels' as metric,
        policed_clocks.metric is not null as is_known
    from clocks
    left join policed_clocks
        on
            clocks.connection_id = policed_clocks.connection_id
            and clocks.ticket_id = policed_clocks.ticket_id
            and clocks.metric = policed_clocks.metric
            and clocks.turn_number = policed_clocks.turn_number

),

counts as (

    select
        connection_id,
        metric,
        count(*) as applicable_count,
        cast(sum(case when is_known then 1 else 0 end) as bigint) as known_count
    from cases
    group by connection_id, metric

),

-- What is missing where a metric is not known, and why.
metrics as (

    {% for metric, missing_field, reason in [
            ('conversation', 'notes', 'notes_not_read'),
            ('message_author', 'notes.user_id, notes.customer_id, notes.raw', 'author_not_told'),
            ('message_visibility', 'notes.raw', 'visibility_not_told'),
            ('message_count', 'tickets.description', 'description_protected'),
            ('agent_names', 'employees', 'agents_not_named'),
            ('first_reply', 'notes', 'conversation_or_author_not_known'),
            ('resolution', 'tickets.closed_at', 'closing_time_not_told'),
            ('changes', 'ticket_versions', 'history_begins_with_the_first_sync'),
            ('vendor_status', 'tickets.raw', 'no_sign_in_raw'),
            ('satisfaction', 'tickets.raw', 'not_rated_or_no_sign_in_raw'),
            ('category', 'tickets.category_id, tickets.category', 'category_not_told'),
            ('service_levels', 'sla_policies', 'no_policy'),
        ] -%}
        {% if not loop.first %}union all{% endif %}
        select
            '{{ metric }}' as metric,
            '{{ missing_field }}' as missing_field,
            '{{ reason }}' as reason
    {% endfor %}

),

counted_metrics as (

    select
        connections.connection_id,
        metrics.metric,
        connections.integration_type,
        metrics.missing_field,
        metrics.reason,
        coalesce(counts.applicable_count, 0) as applicable_count,
        coalesce(counts.known_count, 0) as known_count
    from connections
    cross join metrics
    left join counts
        on
            connections.connection_id = counts.connection_id
            and metrics.metric = counts.metric

)

select
    connection_id,
    metric,
    integration_type,
    case
        when known_count = 0 then 'unavailable'
        when known_count < applicable_count then 'partly'
        else 'available'
    end as availability,
    case
        when applicable_count = 0 then 'nothing_to_measure'
        when known_count < applicable_count then reason
    end as reason,
    case when known_count < applicable_count then missing_field end as missing_field,
    applicable_count,
    known_count,
    case when applicable_count > 0 then cast(known_count as double precision) / applicable_count end as known_share
from counted_metrics
