with connections as (

    select * from {{ ref('int_connections_covered') }}

),

tickets as (

    select
        tickets.*,
        tickets.kind in ('spam', 'merged') as is_set_aside
    from {{ ref('tickets') }} as tickets
    where not tickets.is_deleted

),

notes as (

    select * from {{ ref('conversation_messages') }}
    where note_id is not null

),

agents as (

    select
        connection_id,
        author_id,
        max(author_name) as author_name
    from {{ ref('conversation_messages') }}
    where author_role = 'agent'
    group by connection_id, author_id

),

first_turns as (

    select * from {{ ref('conversation_turns') }}
    where reply_kind = 'first'

),

assigning_connections as (

    select connection_id
    from tickets
    where assignee_user_id is not null
    union
    select connection_id
    from {{ ref('ticket_periods') }}
    where assignee_user_id is not null

),

protected_tickets as (

    select
        connection_id,
        ticket_id,
        is_body_protected
    from {{ ref('stg_unified__tickets') }}

),

-- What each metric is about, and of which of it the metric is not known, and why.
cases as (

    select
        connection_id,
        'conversation' as metric,
        case when not is_conversation_known then 'notes_not_read' end as reason
    from tickets
    union all
    select
        connection_id,
        'message_author' as metric,
        case when author_role = 'unknown' then 'author_not_told' end as reason
    from notes
    where author_role_source is distinct from 'writeback'
    union all
    select
        connection_id,
        'message_visibility' as metric,
        case when visibility = 'unknown' then 'visibility_not_told' end as reason
    from notes
    union all
    select
        tickets.connection_id,
        'message_count' as metric,
        case
            when not tickets.is_conversation_known then 'notes_not_read'
            when protected_tickets.is_body_protected then 'description_protected'
        end as reason
    from tickets
    inner join protected_tickets
        on
            tickets.connection_id = protected_tickets.connection_id
            and tickets.ticket_id = protected_tickets.ticket_id
    union all
    select
        connection_id,
        'agent_names' as metric,
        case
            when author_id is null then 'author_not_told'
            when author_name is null then 'agent_not_named'
        end as reason
    from agents
    union all
    select
        tickets.connection_id,
        'first_reply' as metric,
        case
            when not tickets.is_conversation_known then 'notes_not_read'
            when coalesce(first_turns.has_unknown_author, tickets.has_unknown_author) then 'author_not_told'
            when tickets.is_answered and tickets.first_reply_seconds is null then 'time_not_told'
        end as reason
    from tickets
    left join first_turns
        on
            tickets.connection_id = first_turns.connection_id
            and tickets.ticket_id = first_turns.ticket_id
    where not tickets.is_set_aside
    union all
    select
        connection_id,
        'resolution' as metric,
        case
            when closed_at is null then 'closing_time_not_told'
            when opened_at is null then 'opening_time_not_told'
            when resolution_seconds is null then 'times_contradict'
        end as reason
    from tickets
    where is_closed
    union all
    select
        connection_id,
        'changes' as metric,
        case when not coalesce(is_history_complete, false) then 'history_not_whole' end as reason
    from tickets
    union all
    select
        tickets.connection_id,
        'assignee' as metric,
        case when assigning_connections.connection_id is null then 'assignee_never_told' end as reason
    from tickets
    left join assigning_connections
        on tickets.connection_id = assigning_connections.connection_id
    union all
    select
        connection_id,
        'vendor_status' as metric,
        case when vendor_status is null then 'no_sign_in_raw' end as reason
    from tickets
    union all
    select
        connection_id,
        'satisfaction' as metric,
        case when satisfaction is null then 'not_rated_or_no_sign_in_raw' end as reason
    from tickets
    where is_closed
    union all
    select
        connection_id,
        'category' as metric,
        case
            when category_name is not null then null
            when category_id is null then 'category_not_told'
            else 'category_not_named'
        end as reason
    from tickets
    union all
    select
        clocks.connection_id,
        'service_levels' as metric,
        case
            when policed_clocks.metric is null then 'no_policy'
            when policed_clocks.used_seconds is null and policed_clocks.state = 'unknown' then 'time_not_told'
            when policed_clocks.used_seconds is null then 'beyond_calendars'
            when policed_clocks.state <> 'running' and policed_clocks.used_seconds <= policed_clocks.target_seconds
                then null
            when policed_clocks.has_unknown_author then 'author_not_told'
            when policed_clocks.has_unknown_pauses then 'pauses_not_told'
        end as reason
    from {{ ref('int_clocks_started') }} as clocks
    left join {{ ref('int_sla_clocks') }} as policed_clocks
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
        count(*) - count(reason) as known_count
    from cases
    group by connection_id, metric

),

reason_counts as (

    select
        connection_id,
        metric,
        reason,
        row_number() over (
            partition by connection_id, metric order by count(*) desc, {{ byte_order('reason') }} asc
        ) as place
    from cases
    where reason is not null
    group by connection_id, metric, reason

),

main_reasons as (

    select * from reason_counts
    where place = 1

),

missing_fields as (

    {% for reason, missing_field in {
            'notes_not_read': 'notes',
            'author_not_told': 'notes.user_id, notes.customer_id, notes.raw',
            'visibility_not_told': 'notes.raw',
            'description_protected': 'tickets.description',
            'agent_not_named': 'employees.name',
            'time_not_told': 'tickets.created_at, tickets.closed_at, notes.created_at',
            'opening_time_not_told': 'tickets.created_at',
            'closing_time_not_told': 'tickets.closed_at',
            'times_contradict': 'tickets.created_at, tickets.closed_at',
            'history_not_whole': 'ticket_versions',
            'assignee_never_told': 'tickets.user_id',
            'no_sign_in_raw': 'tickets.raw',
            'not_rated_or_no_sign_in_raw': 'tickets.raw',
            'category_not_told': 'tickets.category_id, tickets.category',
            'category_not_named': 'categories.name',
            'no_policy': 'sla_policies',
            'beyond_calendars': 'business_calendars',
            'pauses_not_told': 'tickets.raw, ticket_versions',
        }.items() -%}
        {% if not loop.first %}union all{% endif %}
        select
            '{{ reason }}' as reason,
            '{{ missing_field }}' as missing_field
    {% endfor %}

),

metrics as (

    {% for metric in [
            'conversation', 'message_author', 'message_visibility', 'message_count', 'agent_names', 'first_reply',
            'resolution', 'changes', 'assignee', 'vendor_status', 'satisfaction', 'category', 'service_levels',
        ] -%}
        {% if not loop.first %}union all{% endif %}
        select '{{ metric }}' as metric
    {% endfor %}

),

counted_metrics as (

    select
        connections.connection_id,
        metrics.metric,
        connections.integration_type,
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
    counted_metrics.connection_id,
    counted_metrics.metric,
    counted_metrics.integration_type,
    case
        when counted_metrics.known_count = 0 then 'unavailable'
        when counted_metrics.known_count < counted_metrics.applicable_count then 'partly'
        else 'available'
    end as availability,
    case when counted_metrics.applicable_count = 0 then 'nothing_to_measure' else main_reasons.reason end as reason,
    missing_fields.missing_field,
    counted_metrics.applicable_count,
    counted_metrics.known_count,
    case
        when counted_metrics.applicable_count > 0
            then cast(counted_metrics.known_count as double precision) / counted_metrics.applicable_count
    end as known_share
from counted_metrics
left join main_reasons
    on
        counted_metrics.connection_id = main_reasons.connection_id
        and counted_metrics.metric = main_reasons.metric
left join missing_fields
    on main_reasons.reason = missing_fields.reason
