{{ config(materialized='incremental', incremental_strategy='due_tickets') }}

with clocks as (

    select * from {{ due(ref('int_clocks_started')) }} as clocks

),

tickets as (

    select * from {{ due(ref('tickets')) }} as tickets

),

policies as (

    select
        policy,
        place,
        metric,
        connection_id,
        {{ lower_snake('priority') }} as priority,
        tag,
        category,
        {{ comparable_text('category') }} as comparable_category,
        customer_id,
        target_minutes * 60 as target_seconds,
        coalesce(calendar, '') as calendar,
        ' ' || coalesce({{ lower_case('pauses_on') }}, '') || ' ' as pauses_on,
        cast(valid_from as timestamp) as valid_from_at
    from {{ ref('stg_seeds__sla_policies') }}

),

matched_policies as (

    select
        clocks.*,
        tickets.is_conversation_known and not tickets.has_unknown_author as is_every_author_known,
        policies.policy,
        policies.target_seconds,
        policies.calendar,
        policies.pauses_on,
        row_number() over (
            partition by clocks.connection_id, clocks.ticket_id, clocks.metric, clocks.turn_number
            order by
                policies.place asc,
                policies.valid_from_at desc nulls last,
                {{ byte_order('policies.policy') }} asc,
                policies.target_seconds asc,
                {{ byte_order('policies.calendar') }} asc,
                {{ byte_order('policies.pauses_on') }} asc
        ) as choice
    from clocks
    inner join tickets
        on
            clocks.connection_id = tickets.connection_id
            and clocks.ticket_id = tickets.ticket_id
    inner join policies
        on
            clocks.metric = policies.metric
            and (policies.connection_id is null or tickets.connection_id = policies.connection_id)
            and (policies.priority is null or tickets.priority = policies.priority)
            and (policies.customer_id is null or tickets.customer_id = policies.customer_id)
            and (policies.valid_from_at is null or clocks.started_at >= policies.valid_from_at)
            and (policies.tag is null or {{ json_list_has_text(json_stored('tickets.tags'), 'policies.tag') }})
            and (
                policies.category is null
                or tickets.category_id = policies.category
                or {{ comparable_text('tickets.category_name') }} = policies.comparable_category
            )

),

-- Of which tickets every state of the helpdesk's own is known, from the opening on.
told_states as (

    select
        periods.connection_id,
        periods.ticket_id
    from {{ due(ref('ticket_periods')) }} as periods
    inner join {{ ref('int_tickets_changed') }} as histories
        on
            periods.connection_id = histories.connection_id
            and periods.ticket_id = histories.ticket_id
            and histories.is_history_complete
    group by periods.connection_id, periods.ticket_id
    having count(case when periods.status <> 'closed' and periods.vendor_status is null then 1 end) = 0

),

-- We wait for the customer until they write, also where we closed the ticket meanwhile.
waits_for_customer as (

    select
        connection_id,
        ticket_id,
        side,
        started_at,
        case when end_reason = 'closed' then lead(started_at) over ticket else ended_at end as ended_at,
        lead(turn_number) over ticket is null as is_last
    from {{ due(ref('conversation_turns')) }} as turns
    window ticket as (partition by connection_id, ticket_id order by turn_number)

),

told_waits_for_customer as (

    select
        *,
        started_at is not null and (is_last or ended_at is not null) as is_told
    from waits_for_customer
    where side = 'agent'

),

untold_waits as (

    select distinct
        connection_id,
        ticket_id
    from told_waits_for_customer
    where not is_told

),

policed_clocks as (

    select
        matched_policies.*,
        row_number() over (
            order by
                matched_policies.connection_id, matched_policies.ticket_id,
                matched_policies.metric, matched_policies.turn_number
        ) as clock_number,
        -- What is not known may have been a pause.
        (
            (matched_policies.pauses_on like '% pending %' or matched_policies.pauses_on like '% hold %')
            and told_states.ticket_id is null
        )
        or (
            matched_policies.metric = 'resolution'
            and matched_policies.pauses_on like '% waiting_on_customer %'
            and (not coalesce(matched_policies.is_every_author_known, false) or untold_waits.ticket_id is not null)
        ) as has_unknown_pauses,
        {{ whole_second('matched_policies.started_at') }} as started_second,
        case
            when matched_policies.ended_at is not null
                then
                    greatest(
                        {{ whole_second('matched_policies.ended_at') }},
                        {{ whole_second('matched_policies.started_at') }}
                    )
        end as ended_second
    from matched_policies
    left join told_states
        on
            matched_policies.connection_id = told_states.connection_id
            and matched_policies.ticket_id = told_states.ticket_id
    left join untold_waits
        on
            matched_policies.connection_id = untold_waits.connection_id
            and matched_policies.ticket_id = untold_waits.ticket_id
    where matched_policies.choice = 1

),

pauses as (

    select
        connection_id,
        ticket_id,
        'waiting_on_customer' as cause,
        {{ whole_second('started_at') }} as from_at,
        {{ whole_second('ended_at') }} as until_at
    from told_waits_for_customer
    where is_told
    union all
    select
        connection_id,
        ticket_id,
        vendor_status as cause,
        {{ whole_second('coalesce(started_at, observed_from)') }} as from_at,
        {{ whole_second('ended_at') }} as until_at
    from {{ due(ref('ticket_periods')) }} as periods
    where vendor_status in ('pending', 'hold') and coalesce(coalesce(started_at, observed_from) < ended_at, true)

    union all
    -- While a ticket was closed, nobody worked on it.
    select
        connection_id,
        ticket_id,
        'closed' as cause,
        {{ whole_second('coalesce(started_at, observed_from)') }} as from_at,
        {{ whole_second('ended_at') }} as until_at
    from {{ due(ref('ticket_periods')) }} as periods
    where status = 'closed' and coalesce(started_at, observed_from) < ended_at

),

-- A pause within a clock; without an end where it lasts as long as the clock.
clock_pauses as (

    select
        clocks.clock_number,
        greatest(pauses.from_at, clocks.started_second) as from_at,
        case
            when clocks.ended_at is null or clocks.ended_second > pauses.until_at then pauses.until_at
        end as until_at
    from policed_clocks as clocks
    inner join pauses
        on
            clocks.connection_id = pauses.connection_id
            and clocks.ticket_id = pauses.ticket_id
            and (
                clocks.pauses_on like '% ' || pauses.cause || ' %'
                or (pauses.cause = 'closed' and clocks.metric = 'resolution')
            )
            and coalesce(clocks.ended_second > pauses.from_at, true)
            -- A clock of no length may end with a pause.
            and (
                pauses.until_at is null
                or clocks.started_second < pauses.until_at
                or (clocks.started_second = clocks.ended_second and clocks.started_second <= pauses.until_at)
            )

),

edges as (

    select
        clock_number,
        started_second as edge_at,
        0 as pause_change
    from policed_clocks
    union all
    select
        clock_number,
        from_at as edge_at,
        1 as pause_change
    from clock_pauses
    union all
    select
        clock_number,
        until_at as edge_at,
        -1 as pause_change
    from clock_pauses
    where until_at is not null

),

edges_at_once as (

    select
        clock_number,
        edge_at,
        sum(pause_change) as pause_change
    from edges
    group by clock_number, edge_at

),

edges_with_pauses as (

    select
        *,
        sum(pause_change) over clock as running_pauses,
        lead(edge_at) over clock as next_edge_at
    from edges_at_once
    window clock as (partition by clock_number order by edge_at)

),

-- A stretch in which a clock runs; without an end where it still does.
stretches as (

    select
        clocks.clock_number,
        clocks.calendar,
        clocks.target_seconds,
        edges_with_pauses.edge_at as from_at,
        coalesce(edges_with_pauses.next_edge_at, clocks.ended_second) as until_at,
        edges_with_pauses.next_edge_at is null as is_last
    from policed_clocks as clocks
    inner join edges_with_pauses
        on clocks.clock_number = edges_with_pauses.clock_number
    where
        edges_with_pauses.running_pauses = 0
        and clocks.state <> 'unknown'
        and (
            clocks.ended_at is null
            or edges_with_pauses.edge_at < clocks.ended_second
            or clocks.started_second = clocks.ended_second
        )

),

placed_stretches as (

    select
        stretches.*,
        {{ business_place('from_opening', 'stretches.from_at') }} as from_place,
        {{ business_place('until_opening', 'stretches.until_at') }} as until_place
    from stretches
    {{ join_opening('from_opening', 'stretches.calendar', 'stretches.from_at') }}
    {{ join_opening('until_opening', 'stretches.calendar', 'stretches.until_at') }}

),

summed_stretches as (

    select
        *,
        until_place - from_place as used_seconds,
        coalesce(
            sum(until_place - from_place) over (
                partition by clock_number order by from_at
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as used_seconds_before
    from placed_stretches

),

-- The place at which the target is used up, if a stretch comes to it; the last one as if it went on.
due_places as (

    select
        clock_number,
        calendar,
        cast(from_place + target_seconds - used_seconds_before as bigint) as due_place
    from summed_stretches
    where
        used_seconds_before < target_seconds
        and (is_last or used_seconds_before + used_seconds >= target_seconds)

),

due_moments as (

    select
        due_places.clock_number,
        {{ moment_of_business_place('due_opening', 'due_places.due_place') }} as due_at
    from due_places
    {{ asof_join(
        ref('int_business_hours'), 'due_opening', {'calendar': 'due_places.calendar'}, 'seconds_before',
        'due_places.due_place', strictly=true
    ) }}

),

used_times as (

    select
        clock_number,
        cast(coalesce(sum(used_seconds), 0) as bigint) as used_seconds,
        max(
            case when from_place is null or (until_at is not null and until_place is null) then 1 else 0 end
        ) as is_beyond_axis,
        cast(max(case when until_at is null then from_place end) as bigint) as running_since_place
    from summed_stretches
    group by clock_number

)

select
    clocks.connection_id,
    clocks.ticket_id,
    clocks.metric,
    clocks.turn_number,
    clocks.integration_type,
    clocks.policy,
    clocks.calendar,
    {{ blank_to_null('clocks.pauses_on') }} as pauses_on,
    cast(clocks.target_seconds as bigint) as target_seconds,
    clocks.started_at,
    clocks.ended_at,
    clocks.state,
    clocks.has_unknown_pauses,
    clocks.has_unknown_author,
    due_moments.due_at,
    case
        when clocks.state <> 'unknown' and coalesce(used_times.is_beyond_axis, 0) = 0
            then coalesce(used_times.used_seconds, 0)
    end as used_seconds,
    used_times.running_since_place,
    {{ business_place('start_opening', 'clocks.started_at') }} as started_place,
    {{ business_place('end_opening', 'clocks.ended_at') }} as ended_place
from policed_clocks as clocks
left join due_moments
    on clocks.clock_number = due_moments.clock_number
left join used_times
    on clocks.clock_number = used_times.clock_number
{{ join_opening('start_opening', 'clocks.calendar', 'clocks.started_at') }}
{{ join_opening('end_opening', 'clocks.calendar', 'clocks.ended_at') }}
