with steps as (

    select
        *,
        case when is_open and not is_observed then 1 else 0 end as unobserved,
        case when was_unobserved then 1 else 0 end as unobserved_before,
        -- What was open and is something else has moved first, and was closed or went on after it.
        was_open
        and (
            {{ differs('category', 'category_before') }}
            or {{ differs('priority', 'priority_before') }}
            or {{ differs('assignee_user_id', 'assignee_user_id_before') }}
        ) as is_moved
    from {{ ref('int_ticket_states') }}
    where is_open or was_open

)

select
    connection_id,
    ticket_id,
    state_number,
    category,
    priority,
    assignee_user_id,
    from_on as happened_on,
    case when state_number = 1 then 1 else 0 end as opened_count,
    case when state_number > 1 and is_open and not was_open and not is_own_reopening then 1 else 0 end
        as reopened_count,
    case when state_number > 1 and is_own_reopening then 1 else 0 end as own_reopened_count,
    case when was_open and not is_open then 1 else 0 end as closed_count,
    case when is_moved then 1 else 0 end as moved_in_count,
    0 as moved_out_count,
    case when is_moved then unobserved else unobserved - unobserved_before end as unobserved_change,
    is_last_closing
from steps
union all
select
    connection_id,
    ticket_id,
    state_number,
    category_before as category,
    priority_before as priority,
    assignee_user_id_before as assignee_user_id,
    from_on as happened_on,
    0 as opened_count,
    0 as reopened_count,
    0 as own_reopened_count,
    0 as closed_count,
    0 as moved_in_count,
    1 as moved_out_count,
    -unobserved_before as unobserved_change,
    false as is_last_closing
from steps
where is_moved
